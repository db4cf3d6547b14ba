"""The pages of recorded screens: who sees, plays, downloads and deletes them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from consoles.console_settings import setting_of
from consoles.models import ScreenRecording, Ticket
from consoles.text import log_answers
from consoles.views import screen_recordings
from consoles.vnc.recording_file import recording_path
from guests.audit.models import AuditRecord
from guests.inventory.changes import Feed, current_revision
from guests.inventory.models import Guest
from tests.consoles.conftest import Person

pytestmark = pytest.mark.django_db
MakePerson = Callable[..., Person]
CONTENT = b'{"format": "guesthouse-screen-1"}\n' + bytes(300_000)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, settings: Any) -> None:
    settings.SCREEN_RECORDING_DIR = tmp_path / "screens"
    settings.CONSOLE_SOCKET = tmp_path / "nobody.sock"


@pytest.fixture
def recording(guest: Guest) -> ScreenRecording:
    row = ScreenRecording.objects.create(
        guest=guest, user_name="<b>ana</b>", mode="control", size=len(CONTENT), milliseconds=65_000, end="left"
    )
    ScreenRecording.objects.filter(pk=row.pk).update(ended_at=timezone.now())
    row.refresh_from_db()
    path = recording_path(guest.pk, row.pk)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return row


def url(recording: ScreenRecording, rest: str = "") -> str:
    return f"/guests/{recording.guest_id}/console/recordings/{recording.pk}/{rest}"


def test_the_list_tells_who_when_how_long_and_how_much(recording: ScreenRecording, person: MakePerson) -> None:
    html = person("rui", "watcher").client.get(f"/guests/{recording.guest_id}/console/recordings/").content.decode()
    assert "&lt;b&gt;ana&lt;/b&gt;" in html and "Controller" in html
    assert "1 min" in html and "293 KiB" in html and "to the end of the console" in html
    assert url(recording) in html and url(recording, "download.rfb") in html
    assert "is not recorded now" in html
    assert url(recording, "delete/") not in html


def test_who_may_not_watch_the_guest_finds_nothing(recording: ScreenRecording, person: MakePerson) -> None:
    client = person("eva", None).client
    for rest in ("", "play.rfb", "download.rfb"):
        assert client.get(url(recording, rest)).status_code == 404
    assert client.get(f"/guests/{recording.guest_id}/console/recordings/").status_code == 404
    assert client.post(url(recording, "delete/")).status_code == 404
    assert ScreenRecording.objects.exists()


def test_a_recording_is_of_its_guest_only(recording: ScreenRecording, person: MakePerson) -> None:
    key = uuid.uuid4()
    other = Guest.objects.create(id=key, uuid=key, host=recording.guest.host, name="db-1")
    client = person("rui", "watcher", on=other).client
    for rest in ("", "play.rfb", "download.rfb"):
        path = url(recording, rest).replace(str(recording.guest_id), str(other.pk))
        assert client.get(path).status_code == 404


def test_without_the_console_server_it_is_said(recording: ScreenRecording, person: MakePerson) -> None:
    client = person("rui", "watcher").client
    assert client.get(url(recording)).status_code == 200
    answer = client.get(url(recording, "play.rfb"))
    assert answer.status_code == 503 and "console server does not answer" in answer.json()["sentence"]
    assert not AuditRecord.objects.filter(action="console.export").exists()


@pytest.mark.parametrize(("rest", "form"), [("play.rfb", "play"), ("download.rfb", "download")])
def test_F3_a_recording_that_is_taken_is_recorded(
    recording: ScreenRecording, person: MakePerson, monkeypatch: pytest.MonkeyPatch, rest: str, form: str
) -> None:
    monkeypatch.setattr(screen_recordings, "see_that_it_answers", lambda: None)
    monkeypatch.setattr(screen_recordings, "stream_log", lambda *_asked, **_more: iter([CONTENT]))
    assert person("rui", "watcher").client.get(url(recording, rest)).status_code == 200
    line = AuditRecord.objects.get(action="console.export")
    assert (line.user_name, line.guest, line.address) == ("rui", recording.guest, "127.0.0.1")
    assert line.detail == {"device": "screen", "form": form, "recording": str(recording.pk)}


def test_the_console_server_reads_the_file_in_pieces(recording: ScreenRecording) -> None:
    question = {
        "ask": "screen",
        "guest": str(recording.guest_id),
        "device": "screen",
        "recording": str(recording.pk),
    }
    pieces = list(log_answers.answer(question))
    assert b"".join(piece[1:] for piece in pieces) == CONTENT
    assert max(map(len, pieces)) <= 128 * 1024 + 1
    assert list(log_answers.answer(question | {"recording": str(uuid.uuid4())})) == []


def test_an_administrator_deletes_one_and_it_is_recorded(recording: ScreenRecording, person: MakePerson) -> None:
    assert person("ana", "operator").client.post(url(recording, "delete/")).status_code == 403
    eva = person("eva", "administrator").client
    assert eva.get(url(recording, "delete/")).status_code == 405
    before = current_revision(Feed.CONSOLES)
    assert eva.post(url(recording, "delete/")).status_code == 302
    assert not ScreenRecording.objects.exists()
    assert current_revision(Feed.CONSOLES) == before + 1  # upon which the console server removes the file
    line = AuditRecord.objects.get(action="console.recording_delete")
    assert (line.user_name, line.detail["recorded"]) == ("eva", "<b>ana</b>")


def test_one_that_goes_on_is_not_deleted(recording: ScreenRecording, person: MakePerson) -> None:
    ScreenRecording.objects.update(ended_at=None)
    eva = person("eva", "administrator").client
    answer = eva.post(url(recording, "delete/"), follow=True)
    assert ScreenRecording.objects.exists()
    assert "still goes on" in answer.content.decode()
    assert "goes on" in answer.content.decode()


def test_only_an_administrator_decides_whether_screens_are_recorded(guest: Guest, person: MakePerson) -> None:
    path = f"/guests/{guest.pk}/console/setting/"
    values = {"keyboard": "one", "record": "", "screen": "must"}
    ana, eva = person("ana", "operator").client, person("eva", "administrator").client
    assert "Only administrators of the guest change this" in ana.get(path).content.decode()
    ana.post(path, values)
    assert (setting_of(guest).keyboard, setting_of(guest).screen) == ("one", "off")
    eva.post(path, values)
    assert setting_of(guest).screen == "must"
    ana.post(path, values | {"screen": "off"})
    assert setting_of(guest).screen == "must"
    assert AuditRecord.objects.filter(action="console.setting").first().detail["after"]["screen"] == "must"


@pytest.mark.parametrize(("role", "recorded"), [("operator", True), ("watcher", False)])
def test_a_ticket_is_to_a_recorded_connection_for_those_who_may_type(
    guest: Guest, person: MakePerson, role: str, recorded: bool
) -> None:
    Guest.objects.update(definition={"graphics": [{"kind": "vnc", "listen": "none"}]})
    client = person("ana", role).client
    assert client.post(f"/guests/{guest.pk}/console/ticket/", {"record": "1"}).status_code == 200
    assert Ticket.objects.get().record is recorded
