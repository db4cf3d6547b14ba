"""Recording: the broker stays at a device when nobody looks, and writes what it says."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from django.conf import settings

from consoles.console_settings import change_setting
from consoles.models import Sharing
from consoles.sessions import LiveSessions
from consoles.text.broker import TextBroker
from consoles.text.console_log import MARK, OUTPUT, LogWriter, parts_of, records_of
from guests.inventory.models import Guest
from tests.consoles.conftest import Person
from tests.consoles.text.conftest import FakeLink, Seat
from tests.consoles.text.fake_stream import until

Sit = Callable[..., Awaitable[Seat]]


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "CONSOLE_LOG_DIR", tmp_path / "consoles")
    return tmp_path / "consoles"


@pytest.fixture
def always(guest: Guest, person: Callable[..., Person]) -> Guest:
    """The guest, whose consoles are always recorded. Ask for it before the broker."""
    change_setting(guest, keyboard=Sharing.ALL, record=True, by=person("eva", "administrator").user)
    return guest


def kept(logs: Path, guest: Guest, kind: bytes = OUTPUT) -> bytes:
    parts = parts_of(logs / str(guest.pk) / "serial0")
    return b" ".join(r.content for part in parts for r in records_of(part) if r.kind == kind)


async def test_what_a_guest_says_while_nobody_looks_is_kept(
    always: Guest, broker: TextBroker, link: FakeLink, logs: Path
) -> None:
    await until(lambda: link.host.streams)
    link.host.stream.says(b"panic at midnight\r\n")
    await until(lambda: kept(logs, always) == b"panic at midnight\r\n")


async def test_nothing_is_kept_of_a_guest_that_is_not_recorded(
    sit: Sit, broker: TextBroker, link: FakeLink, logs: Path, person: Callable[..., Person]
) -> None:
    seat = await sit(await asyncio.to_thread(person))
    await until(lambda: link.host.streams)
    assert seat.said("recording") == [{"state": "off", "sentence": ""}]
    link.host.stream.says(b"secret")
    await until(lambda: seat.output == b"secret")
    assert not logs.exists()


async def test_switching_it_on_and_off_is_told_and_done(
    sit: Sit, broker: TextBroker, link: FakeLink, logs: Path, guest: Guest, person: Callable[..., Person]
) -> None:
    ana = await asyncio.to_thread(person)
    seat = await sit(ana)
    await until(lambda: link.host.streams)
    for record, state in ((True, "on"), (False, "off")):
        await asyncio.to_thread(lambda r=record: change_setting(guest, keyboard="all", record=r, by=ana.user))
        await broker.settings_changed()
        await until(lambda s=state: seat.said("recording")[-1]["state"] == s)
        link.host.stream.says(b"%s;" % state.encode())
    await until(lambda: seat.output == b"on;off;")
    await asyncio.sleep(0.1)
    assert kept(logs, guest) == b"on;"


async def test_a_restarted_console_server_goes_on_and_shows_the_past(
    always: Guest,
    broker: TextBroker,
    sit: Sit,
    link: FakeLink,
    logs: Path,
    sessions: LiveSessions,
    socket_path: Path,
    person: Callable[..., Person],
) -> None:
    await until(lambda: link.host.streams)
    link.host.stream.says(b"before\r\n")
    await until(lambda: kept(logs, always))
    await broker.stop()
    again = TextBroker(sessions, socket_path, lambda _uri: link)  # type: ignore[arg-type,return-value]
    await again.start()
    try:
        await until(lambda: len(link.host.streams) == 2)
        seat = await sit(await asyncio.to_thread(person))
        link.host.stream.says(b"after\r\n")
        await until(lambda: seat.output == b"before\r\nafter\r\n")
        assert seat.replayed.startswith(b"before\r\n")
        assert "restarted" in seat.said("mark")
        await until(lambda: kept(logs, always) == b"before\r\n after\r\n")
        assert b"restarted" in kept(logs, always, MARK)
    finally:
        await again.stop()


async def test_a_full_disk_ends_the_recording_says_so_and_delays_nobody(
    always: Guest,
    broker: TextBroker,
    sit: Sit,
    link: FakeLink,
    person: Callable[..., Person],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seat = await sit(await asyncio.to_thread(person))
    await until(lambda: seat.said("recording") and seat.said("recording")[-1]["state"] == "on")

    def refuse(self: LogWriter, at: float, kind: bytes, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LogWriter, "append", refuse)
    link.host.stream.says(b"still here")
    await until(lambda: seat.said("recording")[-1]["state"] == "full")
    assert "disk is full" in seat.said("recording")[-1]["sentence"]
    assert seat.output == b"still here"
    monkeypatch.undo()
    monkeypatch.setattr("consoles.text.recordings.AGAIN_SECONDS", 0.0)
    await broker.settings_changed()
    await until(lambda: seat.said("recording")[-1]["state"] == "on")
    assert [told["state"] for told in seat.said("recording")][-2:] == ["full", "on"]


async def test_a_disk_that_is_too_slow_leaves_a_gap_and_delays_nobody(
    always: Guest, broker: TextBroker, link: FakeLink, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await until(lambda: link.host.streams)
    link.host.stream.says(b"begin\n")
    await until(lambda: kept(logs, always))
    thread = broker._recordings._thread
    slow = threading.Event()
    thread.do(lambda: slow.wait(10) and None)
    for _ in range(40):
        link.host.stream.says((b"x" * 1023 + b"\n") * 16)
    slow.set()
    await until(lambda: kept(logs, always, MARK).startswith(b"gap "))
    skipped = int(kept(logs, always, MARK).split()[1])
    await until(lambda: len(kept(logs, always).replace(b" ", b"")) + skipped == 6 + 640 * 1024)
