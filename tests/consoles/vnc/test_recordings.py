"""Recordings of graphical consoles, through the relay: what is in them, when they end, and who is told."""

from __future__ import annotations

import errno
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consoles.console_settings import change_setting
from consoles.disk_thread import DiskThread
from consoles.models import Kind, Mode, RecordingEnd, ScreenRecording, ScreenRecordings, Sharing
from consoles.tickets import mint
from consoles.vnc.recorder import Limits, Recorder
from consoles.vnc.recording_file import ASKED, SHOWN, read_recording, recording_path
from consoles.vnc.recordings import Recordings, forget_oldest
from consoles.vnc.rfb_filter import wishes
from consoles.vnc.warm_database import WarmDatabase
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest
from tests.consoles.conftest import Person
from tests.consoles.vnc.conftest import Relay, close_of, handshake, wait_for
from tests.consoles.vnc.rfb_server import SERVER_INIT, TINY_UPDATE, RFBServer
from tests.consoles.vnc.test_rfb_filter import UPDATE, encodings, key, pointer
from tests.consoles.vnc.test_seats import Page

MakePerson = Callable[..., Person]
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def places(tmp_path: Path, settings: Any) -> None:
    settings.SCREEN_RECORDING_DIR = tmp_path / "screens"
    settings.RECORDING_FREE_MIB = 0


@pytest.fixture
def ana(person: MakePerson) -> Person:
    return person("ana", "operator")


@pytest.fixture
def record(guest: Guest, person: MakePerson) -> Callable[[ScreenRecordings], None]:
    eva = person("eva", "administrator")

    def record(how: ScreenRecordings) -> None:
        change_setting(guest, keyboard=Sharing.ALL, record=False, screen=how, by=eva.user)

    return record


def ended() -> ScreenRecording:
    assert wait_for(lambda: ScreenRecording.objects.exclude(ended_at=None).exists())
    return ScreenRecording.objects.get()


def path_of(row: ScreenRecording) -> Path:
    return recording_path(row.guest_id, row.pk)


def test_nothing_is_recorded_unless_it_was_asked_for(relay: Relay, guest: Guest, ana: Person, settings: Any) -> None:
    page = Page(relay, ana, guest)
    assert page.told["recording"] == {"state": "off", "sentence": ""}
    page.browser.close()
    assert wait_for(lambda: not len(relay.sessions))
    assert not ScreenRecording.objects.exists()
    assert not settings.SCREEN_RECORDING_DIR.exists()


def test_a_recording_holds_what_was_shown_and_how_it_was_wanted_and_nothing_typed(
    relay: Relay, guest: Guest, ana: Person, record: Any
) -> None:
    record(ScreenRecordings.ON)
    page = Page(relay, ana, guest)
    assert page.told["recording"] == {"state": "on", "sentence": ""}
    page.type(encodings(0) + key(0x73) + pointer(1) + UPDATE)
    time.sleep(0.2)
    page.type(UPDATE)
    path = path_of(ScreenRecording.objects.get())
    assert wait_for(lambda: path.read_bytes().count(TINY_UPDATE) >= 2)
    page.browser.close()
    row = ended()
    assert (row.end, row.user_name, row.mode, row.guest) == (RecordingEnd.LEFT, "ana", Mode.CONTROL, guest)
    head, frames = read_recording(path_of(row))
    assert (head["format"], head["title"]) == ("guesthouse-screen-1", "web-1")
    shown = b"".join(frame.content for frame in frames if frame.kind == SHOWN)
    assert shown[: len(SERVER_INIT)] == SERVER_INIT
    updates = len(shown[len(SERVER_INIT) :]) // len(TINY_UPDATE)
    assert updates >= 2  # the server counts pieces, not requests
    assert shown == SERVER_INIT + updates * TINY_UPDATE
    assert b"".join(frame.content for frame in frames if frame.kind == ASKED) == encodings(0)
    times = [frame.milliseconds for frame in frames]
    assert times == sorted(times)
    assert 150 < times[-1] <= row.milliseconds < 5000
    assert row.size == path_of(row).stat().st_size
    assert stat.S_IMODE(path_of(row).stat().st_mode) == 0o600
    assert stat.S_IMODE(path_of(row).parent.stat().st_mode) == 0o700
    assert AuditRecord.objects.get(action="console.record").detail["recording"] == str(row.pk)


def test_each_connection_has_a_recording_of_its_own(
    relay: Relay, guest: Guest, ana: Person, person: MakePerson, record: Any
) -> None:
    record(ScreenRecordings.ON)
    first, second = Page(relay, ana, guest), Page(relay, person("rui", "watcher"), guest, Mode.WATCH)
    for page in (first, second):
        page.browser.close()
    assert wait_for(lambda: ScreenRecording.objects.exclude(ended_at=None).count() == 2)
    assert set(ScreenRecording.objects.values_list("user_name", "mode")) == {("ana", "control"), ("rui", "watch")}


@pytest.mark.parametrize("how", [ScreenRecordings.ON, ScreenRecordings.MUST])
def test_a_recording_that_reached_its_size_ends_it_or_the_console(
    relay: Relay, guest: Guest, ana: Person, record: Any, settings: Any, how: ScreenRecordings
) -> None:
    settings.SCREEN_RECORDING_MIB = 220 / MIB
    record(how)
    page = Page(relay, ana, guest)
    for _ in range(4):
        page.type(UPDATE)
        time.sleep(0.1)
    if how == ScreenRecordings.ON:
        page.wait(lambda: page.told["recording"]["state"] == "full")
        assert "as large as it may be" in page.told["recording"]["sentence"]
        page.type(UPDATE)
        page.browser.close()
    else:
        code, sentence = close_of(page.browser)
        assert code == 4403
        assert "as large as it may be" in sentence
    row = ended()
    assert row.end == RecordingEnd.SIZE
    assert 100 < row.size <= 220
    _head, frames = read_recording(path_of(row))
    assert frames[0].content.startswith(SERVER_INIT)


def test_on_a_full_disk_the_console_goes_on_or_is_not_opened(
    relay: Relay, guest: Guest, ana: Person, record: Any, settings: Any
) -> None:
    settings.RECORDING_FREE_MIB = 2**40
    record(ScreenRecordings.ON)
    page = Page(relay, ana, guest)
    assert page.told["recording"]["state"] == "failed"
    page.browser.close()
    record(ScreenRecordings.MUST)
    browser = relay.connect(ana, guest)
    code, sentence = close_of_after_greeting(browser)
    assert (code, sentence) == (4403, "This console must be recorded, and cannot be.")
    assert not ScreenRecording.objects.exists()
    assert not list(settings.SCREEN_RECORDING_DIR.glob("*/*"))


def close_of_after_greeting(browser: Any) -> tuple[int, str]:
    browser.send_binary(b"RFB 003.008\n\1\1")
    return close_of(browser)


def test_a_disk_that_falls_behind_ends_the_recording_and_holds_nobody_up(
    relay: Relay, guest: Guest, ana: Person, record: Any, monkeypatch: pytest.MonkeyPatch, rfb_server: RFBServer
) -> None:
    monkeypatch.setattr("consoles.vnc.recorder.WAITING_BYTES", 100)
    monkeypatch.setattr("consoles.vnc.recorder.RecordingWriter.write", lambda *_args: time.sleep(1))
    record(ScreenRecordings.ON)
    page = Page(relay, ana, guest)
    began = time.monotonic()
    for _ in range(5):
        page.type(UPDATE)
        page.wait(lambda: True)
        time.sleep(0.02)
    page.wait(lambda: page.told["recording"]["state"] == "failed")
    assert time.monotonic() - began < 1
    page.browser.close()
    assert ended().end == RecordingEnd.SLOW


def test_what_a_crashed_console_server_left_is_ended_and_files_without_a_row_go(
    guest: Guest, ana: Person, settings: Any
) -> None:
    row = ScreenRecording.objects.create(guest=guest, user=ana.user, user_name="ana", mode=Mode.CONTROL)
    path = path_of(row)
    path.parent.mkdir(parents=True)
    whole = b'{"format": "x"}\n' + b"\0\0\x03\xe8s\0\0\0\2ab" + b"\0\0\x07\xd0s\0\0\0\2ab"
    path.write_bytes(whole + b"\0\0\x0f\xa0s\0\0\0\2a")
    orphan = path.with_name("5f3c1b0e-0000-4000-8000-00000000aaaa.rfb")
    orphan.write_bytes(b"x")
    Recordings(WarmDatabase()).start()
    row.refresh_from_db()
    assert (row.end, row.size, row.milliseconds) == (RecordingEnd.RESTART, len(whole) + 10, 2000)
    assert row.ended_at is not None
    assert path.exists()
    assert not orphan.exists()
    assert [frame.milliseconds for frame in read_recording(path)[1]] == [1000, 2000]


def test_the_oldest_recordings_of_a_guest_go_first(guest: Guest, ana: Person, settings: Any) -> None:
    settings.SCREEN_RECORDINGS_MIB = 25 / MIB
    rows = []
    for size in (10, 10, 10, 5):
        row = ScreenRecording.objects.create(guest=guest, user=ana.user, user_name="ana", mode="watch", size=size)
        ScreenRecording.objects.filter(pk=row.pk).update(ended_at=row.started_at)
        path_of(row).parent.mkdir(parents=True, exist_ok=True)
        path_of(row).write_bytes(b"x")
        rows.append(row)
    forget_oldest(guest)
    assert [path_of(row).exists() for row in rows] == [False, True, True, True]
    assert set(ScreenRecording.objects.values_list("pk", flat=True)) == {row.pk for row in rows[1:]}


def test_of_what_a_browser_says_only_its_wishes_for_the_picture_are_kept() -> None:
    pixels = b"\0" + bytes(19)
    assert wishes(pixels + key(0x61) + UPDATE + encodings(7, 16) + pointer(1)) == pixels + encodings(7, 16)
    assert wishes(b"") == wishes(key(0x61)) == b""


def test_somebody_who_may_type_has_their_own_connection_recorded(
    relay: Relay, guest: Guest, ana: Person, person: MakePerson
) -> None:
    token = mint(ana.user, ana.session_key, guest, kind=Kind.VNC, mode=Mode.CONTROL, record=True)
    mine, other = relay.connect(ana, guest, token=token), Page(relay, person("rui", "watcher"), guest, Mode.WATCH)
    handshake(mine)
    assert wait_for(lambda: ScreenRecording.objects.exists())
    assert other.told["recording"]["state"] == "off"
    mine.close()
    assert ended().user_name == "ana"


def test_a_disk_that_is_full_or_broken_ends_the_recording_and_leaves_whole_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (code, end) in enumerate([(errno.ENOSPC, RecordingEnd.DISK), (errno.EIO, RecordingEnd.FAILED)]):
        ends: list[RecordingEnd] = []
        path = tmp_path / f"{number}.rfb"
        recorder = Recorder(path, "web-1", Limits(MIB, 0), DiskThread("disk"), ends.append)
        recorder.shown(b"first")
        assert wait_for(lambda path=path: b"first" in path.read_bytes())  # type: ignore[misc]

        def refuse(*_args: object, code: int = code) -> None:
            raise OSError(code, "no")

        with monkeypatch.context() as patched:
            patched.setattr("consoles.vnc.recorder.RecordingWriter.write", refuse)
            recorder.shown(b"second")
            assert wait_for(lambda: ends == [end])  # noqa: B023
        recorder.shown(b"third")
        assert recorder.finish(5) is end
        assert [frame.content for frame in read_recording(path)[1]] == [b"first"]
