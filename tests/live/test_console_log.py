"""Shared and recorded consoles of real QEMU guests, through the running product."""

from __future__ import annotations

import json
import random
import re
import signal
import socket
import time
import urllib.parse
from collections.abc import Iterator
from http.client import HTTPResponse
from urllib.parse import urlsplit

import pytest

from consoles.text.console_log import OUTPUT, LogWriter
from deploy.demo.processes import process, wait_until
from tests.labs.lab import Lab
from tests.labs.product import Product
from tests.live.test_text_console import _virsh_console, resident_bytes
from tests.live.text_client import TextClient, WebSession

pytestmark = pytest.mark.timeout(240)
MIB = 1024 * 1024
# Nobody else of this room sits there: a product that had somebody keeps a console for a minute.
GUEST = "db-1"


@pytest.fixture(scope="module")
def recorded(lab_of_session: Lab) -> Iterator[Product]:
    """A product of its own, in which every console is always recorded."""
    product = Product({"lab": lab_of_session.uri}, {"GUESTHOUSE_RECORD_CONSOLES": "1"})
    yield product
    product.close()


@pytest.fixture
def admin(recorded: Product, lab: Lab) -> WebSession:
    return WebSession(recorded.url, "admin", recorded.admin_password)


def hits(session: WebSession, guest: str, words: str) -> list[str]:
    path = f"/guests/{guest}/console/text/serial0/log/search/?q={urllib.parse.quote(words)}"
    return [hit["text"] for hit in json.loads(session.get(path))["hits"]]


def wait_for_hits(session: WebSession, guest: str, words: str, seconds: float = 60) -> list[str]:
    deadline = time.monotonic() + seconds
    while not (found := hits(session, guest, words)):
        assert time.monotonic() < deadline, f"{words!r} is not in the log"
        time.sleep(0.3)
    return found


def test_a_boot_that_nobody_watched_is_in_the_log(admin: WebSession, recorded: Product, lab: Lab) -> None:
    guest = lab.uuid(GUEST)
    directory = recorded.data_dir / "data" / "consoles" / guest / "serial0"
    assert wait_until(directory.exists, 30), "it is not recorded"
    time.sleep(1)
    lab.virsh("destroy", guest)
    time.sleep(1)
    lab.virsh("start", guest)
    lab.wait_until_booted(GUEST)
    log = f"/guests/{guest}/console/text/serial0/log"
    assert wait_for_hits(admin, guest, GUEST)
    told = json.loads(admin.get(f"{log}/overview/"))
    assert told["bytes"] > 0
    assert [mark["kind"] for mark in told["marks"]][-2:] == ["stopped", "started"]
    text = admin.get(f"{log}.txt")
    assert GUEST in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)
    head, *events = [json.loads(line) for line in admin.get(f"{log}.cast").splitlines()]
    assert head["version"] == 2
    assert any(GUEST in text for _at, code, text in events if code == "o")
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_killed_console_server_goes_on_recording_and_shows_the_past(
    admin: WebSession, recorded: Product, lab: Lab
) -> None:
    lab.wait_until_booted(GUEST)
    guest = lab.uuid(GUEST)
    seat = TextClient(admin, guest)
    seat.wait_for_prompt()
    seat.type(b"echo before-$((40+2))\r")
    seat.wait_for_output(b"before-42\r\n")
    wait_for_hits(admin, guest, "before-42")
    server = process(recorded.pids["consoleserver"])
    assert server is not None
    server.send(signal.SIGKILL)
    seat.wait(lambda: seat.close_code == 4503, 10)
    deadline = time.monotonic() + 20
    while not (back := TextClient(admin, guest)).said("state"):
        back.wait_for_an_answer()
        if back.statuses:
            break
        back.close()
        assert time.monotonic() < deadline
        time.sleep(0.3)
    back.wait_for_output(b"before-42\r\n")
    back.wait(lambda: "restarted" in back.said("mark"))  # it stands behind what was written before
    assert back.said("recording")[-1]["state"] == "on"
    back.wait_for_prompt()
    back.type(b"echo after-$((40+3))\r")
    back.wait_for_output(b"after-43\r\n")
    assert wait_for_hits(admin, guest, "after-43")
    assert hits(admin, guest, "before-42")
    seat.close()
    back.close()


def test_a_download_that_is_not_taken_costs_no_memory_and_arrives_whole(
    admin: WebSession, recorded: Product, lab: Lab
) -> None:
    guest = lab.uuid("backup-1")
    noise = random.Random(3)
    writer = LogWriter(recorded.data_dir / "data" / "consoles" / guest / "serial9", 64 * MIB)
    lines = [noise.randbytes(512).hex().encode() + b"\n" for _ in range(16 * 1024)]
    for number in range(0, len(lines), 64):
        writer.append(1e9 + number, OUTPUT, b"".join(lines[number : number + 64]))
    writer.finish()
    pids = recorded.pids
    before = {name: resident_bytes(pid) for name, pid in pids.items()}
    address = urlsplit(recorded.url)
    with socket.create_connection((str(address.hostname), address.port)) as slow:
        slow.settimeout(30)
        request = f"GET /guests/{guest}/console/text/serial9/log.txt HTTP/1.1\r\nHost: {address.netloc}\r\n"
        slow.sendall(f"{request}Cookie: {admin.cookies}\r\nConnection: close\r\n\r\n".encode())
        time.sleep(3)
        grown = {name: resident_bytes(pid) - before[name] for name, pid in pids.items()}
        assert grown["web"] < 8 * MIB, grown
        assert grown["consoleserver"] < 8 * MIB, grown
        answer = HTTPResponse(slow)
        answer.begin()
        assert answer.read() == b"".join(lines)


def test_an_administrator_takes_a_console_over_and_never_fights_back(
    admin: WebSession, recorded: Product, lab: Lab
) -> None:
    lab.wait_until_booted(GUEST)
    guest = lab.uuid(GUEST)
    seat = TextClient(admin, guest)
    seat.wait_for_prompt()
    with _virsh_console(lab, guest, "--force"):
        seat.wait(lambda: seat.state == "busy", 15)
        seat.ask(take_over=True)
        seat.wait(lambda: seat.state == "live", 15)
        assert seat.said("mark")[-1] == "taken_over"
        seat.wait_for_prompt()
    with _virsh_console(lab, guest, "--force"):
        seat.wait(lambda: seat.state == "busy", 15)
        time.sleep(4)
        assert seat.state == "busy"
    seat.wait(lambda: seat.state == "live", 15)
    seat.close()
    page = recorded.manage(
        "shell",
        "-c",
        "from guests.audit.models import AuditRecord as A;"
        "print(A.objects.filter(action='console.take_over', outcome='ok').count())",
    )
    assert page.split()[-1] == "1"


def test_one_holder_types_and_the_other_cannot(admin: WebSession, recorded: Product, lab: Lab) -> None:
    lab.wait_until_booted(GUEST)
    guest = lab.uuid(GUEST)
    recorded.manage(
        "shell",
        "-c",
        "from consoles.console_settings import change_setting as c; from guests.inventory.models import Guest;"
        "from django.contrib.auth.models import User;"
        f"c(Guest.objects.get(uuid='{guest}'), keyboard='one', record=True, by=User.objects.get(username='admin'))",
    )
    first, second = TextClient(admin, guest), TextClient(admin, guest)
    try:
        for seat in (first, second):
            seat.wait(lambda seat=seat: seat.state == "live" and len(seat.said("people")[-1]) == 2)
        holder = next(row["id"] for row in first.said("people")[-1] if row["holds"])
        holding, other = (first, second) if first.said("you")[0] == holder else (second, first)
        holding.wait_for_prompt()
        other.type(b"echo intruder\r")
        other.wait(lambda: "input" in other.said("refused"))
        holding.type(b"echo mine-$((1+1))\r")
        other.wait_for_output(b"mine-2\r\n")
        assert b"intruder" not in other.output
        holding.close()
        other.wait(lambda: len(other.said("people")[-1]) == 1)
        other.ask(keyboard="take")
        other.wait(lambda: other.said("people")[-1][0]["holds"])
        other.type(b"echo yours-$((2+2))\r")
        other.wait_for_output(b"yours-4\r\n")
    finally:
        first.close()
        second.close()
