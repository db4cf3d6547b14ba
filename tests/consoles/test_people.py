"""Who is at a guest's consoles, and sending them away: by administrators, on record, with a reason that is shown."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from consoles.models import ConsoleSession
from consoles.sessions import LiveSessions
from guests.audit.models import AuditRecord
from guests.inventory.changes import ChangeFeed
from guests.inventory.models import Guest
from tests.consoles.conftest import Person
from tests.consoles.test_sessions import Ends, open_for
from tests.consoles.vnc.conftest import wait_for

MakePerson = Callable[..., Person]


def url(guest: Guest, what: str = "") -> str:
    return f"/guests/{guest.pk}/console/people/{what}"


def session_of(person: Person) -> ConsoleSession:
    return ConsoleSession.objects.get(user=person.user)


def test_the_list_names_everybody_with_kind_and_mode(guest: Guest, person: MakePerson) -> None:
    sessions, root, ana = LiveSessions(), person("root", "administrator"), person("ana", "watcher")
    assert "Nobody is at a console" in root.client.get(url(guest)).content.decode()
    open_for(sessions, ana, guest, mode="watch", kind="text", device="serial0")
    gone = open_for(sessions, person("gone"), guest)
    gone.close("left")
    page = root.client.get(url(guest)).content.decode()
    for words in ("ana", "Text console", "serial0", "Watcher", "192.0.2.7", "Disconnect"):
        assert words in page
    assert "gone" not in page


def test_the_list_takes_as_many_queries_for_many_people(guest: Guest, person: MakePerson) -> None:
    sessions, root = LiveSessions(), person("root", "administrator")

    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            root.client.get(url(guest), headers={"HX-Request": "true"})
        return len(counted)

    queries()

    open_for(sessions, person("ana"), guest)
    before = queries()
    for n in range(5):
        open_for(sessions, person(f"user{n}"), guest)
    assert queries() == before


@pytest.mark.parametrize(("role", "status"), [("watcher", 403), ("operator", 403), (None, 404)])
def test_only_administrators_see_the_list_and_send_away(
    role: str | None, status: int, guest: Guest, person: MakePerson
) -> None:
    sessions, ends, ana, eve = LiveSessions(), Ends(), person(), person("eve", role)
    open_for(sessions, ana, guest, ends)
    assert eve.client.get(url(guest)).status_code == status
    assert eve.client.post(url(guest, "send-away/"), {"session": session_of(ana).pk}).status_code == status
    assert person("root", "administrator").client.get(url(guest, "send-away/")).status_code == 405
    sessions.check()
    assert ends == []


@pytest.mark.parametrize("kind", ["vnc", "text"])
def test_whoever_is_sent_away_is_told_by_whom_and_why(kind: str, guest: Guest, person: MakePerson) -> None:
    sessions, ends, others = LiveSessions(), Ends(), Ends()
    root, ana, rui = person("root", "administrator"), person(), person("rui")
    live = open_for(sessions, ana, guest, ends, kind=kind)
    open_for(sessions, rui, guest, others, kind=kind)
    answer = root.client.post(url(guest, "send-away/"), {"session": session_of(ana).pk, "because": "Maintenance now."})
    assert (answer.status_code, answer.url) == (302, url(guest))
    sessions.check()
    assert ends == [(4432, "root closed this console. Maintenance now.")]
    assert others == []
    assert "sent away by root" in root.client.get(url(guest)).content.decode()
    live.count(bytes_out=7)
    live.close(ends[0][1])
    row = session_of(ana)
    assert (row.reason, row.bytes_out, row.mode) == ("root closed this console. Maintenance now.", 7, "control")
    asked, closed = AuditRecord.objects.filter(action__in=["console.send_away", "console.close"]).order_by("id")
    assert (asked.user, asked.guest, asked.detail["person"], asked.detail["reason"]) == (
        root.user,
        guest,
        "ana",
        "Maintenance now.",
    )
    assert (closed.user, closed.detail["reason"]) == (ana.user, row.reason)
    # The same button twice asks once.
    root.client.post(url(guest, "send-away/"), {"session": row.pk})
    assert AuditRecord.objects.filter(action="console.send_away").count() == 1


def test_nobody_is_sent_away_from_another_guest(guest: Guest, person: MakePerson) -> None:
    sessions, ends, other_id = LiveSessions(), Ends(), uuid.uuid4()
    other = Guest.objects.create(id=other_id, uuid=other_id, host=guest.host, name="web-2", state="running")
    ana, root = person(on=other), person("root", "administrator")
    open_for(sessions, ana, other, ends)
    for session in (session_of(ana).pk, uuid.uuid4()):
        root.client.post(url(guest, "send-away/"), {"session": session})
    assert root.client.post(url(guest, "send-away/"), {"session": "nonsense"}).status_code == 422
    assert root.client.post(url(guest, "send-away/"), {"because": "x" * 81}).status_code == 422
    sessions.check()
    assert ends == []
    assert not AuditRecord.objects.filter(action="console.send_away").exists()


@pytest.fixture
def running(transactional_db: None) -> Iterator[LiveSessions]:
    sessions, feed = LiveSessions(), ChangeFeed()
    feed.start()
    sessions.start(feed)
    yield sessions
    sessions.stop()
    feed.stop()


def test_it_reaches_the_console_server_by_the_feed(running: LiveSessions, guest: Guest, person: MakePerson) -> None:
    ends, root, ana = Ends(), person("root", "administrator"), person()
    open_for(running, ana, guest, ends)
    root.client.post(url(guest, "send-away/"), {"session": session_of(ana).pk})
    assert wait_for(lambda: bool(ends))
    assert set(ends) == {(4432, "root closed this console.")}  # each look says so until the console has closed


def test_the_guest_s_page_has_the_card_for_administrators_only(guest: Guest, person: MakePerson) -> None:
    for name, role, there in (("root", "administrator", True), ("ana", "operator", False)):
        page = person(name, role).client.get(f"/guests/{guest.pk}/console/").content.decode()
        assert (url(guest) in page) == there
