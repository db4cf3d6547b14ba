"""Text consoles of real QEMU guests, through the running product."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.demo.processes import Process, process
from tests.labs.lab import Lab
from tests.labs.product import Product
from tests.live.text_client import TextClient, WebSession

pytestmark = pytest.mark.timeout(180)
Open = Callable[..., TextClient]
MIB = 1024 * 1024


@pytest.fixture
def admin(product: Product) -> WebSession:
    return WebSession(product.url, "admin", product.admin_password)


@pytest.fixture
def watcher(product: Product, lab: Lab) -> WebSession:
    password = "a passphrase that is long enough"
    code = (
        "from django.contrib.auth.models import User; from guests.access.models import Grant;"
        "u, _ = User.objects.get_or_create(username='wanda');"
        f"u.set_password('{password}'); u.save();"
        "Grant.objects.get_or_create(user=u, role='watcher', scope='everything')"
    )
    product.manage("shell", "-c", code)
    return WebSession(product.url, "wanda", password)


@pytest.fixture
def guest(lab: Lab, admin: WebSession) -> str:
    """web-1, booted, and known to the product with its console."""
    lab.wait_until_booted("web-1")
    identity = lab.uuid("web-1")
    deadline = time.monotonic() + 30
    while "data-socket" not in admin.get(f"/guests/{identity}/console/text/"):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    return identity


@pytest.fixture
def sit(guest: str) -> Iterator[Open]:
    seats: list[TextClient] = []

    def sit(session: WebSession, **options: TextClient | None) -> TextClient:
        seats.append(TextClient(session, guest, **options))  # type: ignore[arg-type]
        return seats[-1]

    yield sit
    for seat in seats:
        seat.close()


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_two_people_see_the_same_and_both_type(sit: Open, admin: WebSession) -> None:
    first, second = sit(admin), sit(admin)
    first.wait_for_prompt()
    second.wait(lambda: second.state == "live")
    first.type(b"echo one-$((40+2))\r")
    second.wait_for_output(b"one-42\r\n")
    second.type(b"echo two-$((40+3))\r")
    first.wait_for_output(b"two-43\r\n")
    second.wait_for_output(b"two-43\r\n")
    assert first.ring == second.ring
    size = min(len(first.output), len(second.output))
    assert first.output[-size:] == second.output[-size:]


def test_a_watcher_sees_and_cannot_type(sit: Open, admin: WebSession, watcher: WebSession) -> None:
    typist, onlooker = sit(admin), sit(watcher)
    typist.wait_for_prompt()
    onlooker.wait(lambda: onlooker.state == "live")
    assert onlooker.said("mode") == ["watch"]
    onlooker.type(b"echo intruder\r")
    time.sleep(0.5)
    typist.type(b"echo seen-$((1+1))\r")
    onlooker.wait_for_output(b"seen-2\r\n")
    assert b"intruder" not in typist.output + onlooker.output


def test_who_joins_is_replayed_and_who_comes_back_gets_the_rest_once(sit: Open, admin: WebSession) -> None:
    first = sit(admin)
    first.wait_for_prompt()
    first.type(b"echo past-$((2+2))\r")
    first.wait_for_output(b"past-4\r\n")
    late = sit(admin)
    late.wait_for_output(b"past-4\r\n")
    late.close()
    first.type(b"for i in 1 2 3 4 5 6 7 8 9; do echo line-$i; done; echo over-$((3+3))\r")
    first.wait_for_output(b"over-6\r\n")
    back = sit(admin, resume=late)
    back.wait_for_output(b"over-6\r\n")
    assert back.said("resumed") == [True]
    assert back.output.count(b"line-5\r\n") == 1
    assert b"past-4" not in back.output
    whole = bytes(late.output + back.output)
    assert whole.endswith(bytes(first.output[-len(back.output) :]))


def test_a_stalled_reader_during_a_flood_blocks_nobody(sit: Open, admin: WebSession, product: Product) -> None:
    quick, stalled = sit(admin), sit(admin)
    quick.wait_for_prompt()
    stalled.wait(lambda: stalled.state == "live")
    stalled.draws = False
    pids = product.pids
    before = {name: resident_bytes(pid) for name, pid in pids.items()}
    at = len(quick.output)
    quick.type(b"dd if=/dev/zero bs=1024 count=1536 2>/dev/null | tr '\\0' x; echo flood-$((4+4))\r")
    quick.wait_for_output(b"flood-8\r\n", 120)
    assert len(quick.output) - at >= 1536 * 1024
    assert quick.said("gap") == []
    assert len(stalled.output) <= 256 * 1024 + at + 4096
    grown = {name: resident_bytes(pid) - before[name] for name, pid in pids.items()}
    assert grown["consoleserver"] < 4 * MIB, grown
    assert grown["web"] < 4 * MIB, grown
    stalled.draws = True
    stalled.acknowledge()
    stalled.wait_for_output(b"flood-8\r\n")
    assert sum(stalled.said("gap")) > MIB


def test_a_guest_that_is_off_has_its_console_waiting(guest: str, admin: WebSession, lab: Lab) -> None:
    seat = TextClient(admin, lab.uuid("backup-1"))
    try:
        seat.wait(lambda: seat.state == "off", 10)
    finally:
        seat.close()


def test_stop_and_start_are_said_and_the_page_goes_on(sit: Open, admin: WebSession, lab: Lab, guest: str) -> None:
    seat = sit(admin)
    seat.wait_for_prompt()
    lab.virsh("destroy", guest)
    seat.wait(lambda: seat.state == "off", 10)
    assert seat.said("mark")[-1] == "stopped"
    at = len(seat.output)
    lab.virsh("start", guest)
    seat.wait(lambda: seat.state == "live", 15)
    assert seat.said("mark")[-1] == "started"
    seat.wait(lambda: len(seat.output) > at, 60)
    lab.wait_until_booted("web-1")
    seat.wait_for_prompt()


def test_a_reboot_is_marked_and_the_stream_goes_on(sit: Open, admin: WebSession, lab: Lab, guest: str) -> None:
    seat = sit(admin)
    seat.wait_for_prompt()
    lab.virsh("reset", guest)
    seat.wait(lambda: "rebooted" in seat.said("mark"), 20)
    assert seat.state == "live"
    lab.wait_until_booted("web-1")
    seat.wait_for_prompt()


def test_a_killed_libvirtd_is_said_and_the_page_goes_on(sit: Open, admin: WebSession, lab: Lab) -> None:
    seat = sit(admin)
    seat.wait_for_prompt()
    lab.stop_libvirtd(signal.SIGKILL)
    seat.wait(lambda: seat.state == "lost", 10)
    lab.start_libvirtd()
    seat.wait(lambda: seat.state == "live", 20)
    assert "reattached" in seat.said("mark")
    seat.wait_for_prompt()
    seat.type(b"echo again-$((5+5))\r")
    seat.wait_for_output(b"again-10\r\n")


def test_a_hung_libvirtd_is_said_within_20_seconds(sit: Open, admin: WebSession, lab: Lab) -> None:
    seat = sit(admin)
    seat.wait_for_prompt()
    lab.stop_libvirtd(signal.SIGSTOP)
    try:
        seat.wait(lambda: seat.state == "lost", 20)
    finally:
        lab.start_libvirtd()
    seat.wait(lambda: seat.state == "live", 30)
    seat.wait_for_prompt()


def test_a_killed_console_server_comes_back_and_asks_the_browser_to(
    sit: Open, admin: WebSession, product: Product
) -> None:
    seat = sit(admin)
    seat.wait_for_prompt()
    old = process(product.pids["consoleserver"])
    assert old is not None
    old.send(signal.SIGKILL)
    seat.wait(lambda: seat.close_code, 10)
    assert seat.close_code == 4503
    back = _sit_when_served(sit, admin, seat)
    assert back.said("resumed") == [False]
    back.wait_for_prompt()


def test_the_console_server_ends_within_3_seconds_of_sigterm(sit: Open, admin: WebSession, product: Product) -> None:
    seat = sit(admin)
    seat.wait_for_prompt()
    server = process(product.pids["consoleserver"])
    assert server is not None
    asked = time.monotonic()
    server.send(signal.SIGTERM)
    _wait_for_the_end(server, 5)
    assert time.monotonic() - asked < 3.0
    seat.wait(lambda: seat.close_code, 5)
    assert seat.close_code == 4503
    _sit_when_served(sit, admin, seat).wait_for_prompt()


def test_virsh_console_is_called_busy_and_never_fought(sit: Open, admin: WebSession, lab: Lab, guest: str) -> None:
    seat = sit(admin)
    seat.wait_for_prompt()
    with _virsh_console(lab, guest, "--force"):
        seat.wait(lambda: seat.state == "busy", 15)
        time.sleep(4)
        assert seat.state == "busy"
    seat.wait(lambda: seat.state == "live", 15)
    seat.wait_for_prompt()


def _sit_when_served(sit: Open, session: WebSession, before: TextClient) -> TextClient:
    deadline = time.monotonic() + 20
    while True:
        seat = sit(session, resume=before)
        seat.wait_for_an_answer()
        if seat.statuses:
            return seat
        assert time.monotonic() < deadline
        time.sleep(0.3)


def _wait_for_the_end(server: Process, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while server.is_alive():
        assert time.monotonic() < deadline, "it did not end"
        time.sleep(0.02)


class _virsh_console:
    """`virsh console` on a terminal of its own."""

    def __init__(self, lab: Lab, guest: str, *words: str) -> None:
        self._command = ["virsh", "-c", lab.uri, "console", guest, *words]

    def __enter__(self) -> None:
        self._terminal, side = pty.openpty()
        self._process = subprocess.Popen(self._command, stdin=side, stdout=side, stderr=side, start_new_session=True)
        os.close(side)

    def __exit__(self, *error: object) -> None:
        os.write(self._terminal, b"\x1d")  # Ctrl-] leaves
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        os.close(self._terminal)
