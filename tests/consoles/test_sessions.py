from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from consoles.models import ConsoleSession
from consoles.rights import BETWEEN_HOSTS
from consoles.sessions import ConsoleRefused, LiveSession, LiveSessions
from guests.access.models import Grant
from guests.audit.models import AuditRecord
from guests.inventory.changes import ChangeFeed, Feed, announce
from guests.inventory.models import Guest
from tests.consoles.conftest import Person

MakePerson = Callable[..., Person]


class Ends(list[tuple[int, str]]):
    """Collects what on_revoke was told."""

    def __call__(self, code: int, sentence: str) -> None:
        self.append((int(code), sentence))


def open_for(
    sessions: LiveSessions, person: Person, guest: Guest, ends: Ends | None = None, **more: Any
) -> LiveSession:
    return sessions.open(
        kind=more.pop("kind", "vnc"),
        mode=more.pop("mode", "control"),
        user_id=person.user.pk,
        session_key=person.session_key,
        guest=guest,
        peer="192.0.2.7",
        on_revoke=ends if ends is not None else Ends(),
        **more,
    )


def test_an_open_console_is_on_record_and_its_end_too(guest: Guest, person: MakePerson) -> None:
    sessions, ana = LiveSessions(), person()
    live = open_for(sessions, ana, guest)
    assert ConsoleSession.objects.get().ended_at is None
    live.count(bytes_in=10, bytes_out=3000)
    live.count(bytes_out=1)
    live.close("left")
    live.close("again")
    row = ConsoleSession.objects.get()
    assert (row.bytes_in, row.bytes_out, row.reason, row.guest) == (10, 3001, "left", guest)
    assert row.ended_at is not None
    opened, closed = AuditRecord.objects.filter(action__startswith="console.").order_by("id")
    assert (opened.action, opened.user, opened.guest_name, opened.address) == (
        "console.open",
        ana.user,
        "web-1",
        "192.0.2.7",
    )
    assert (closed.action, closed.detail["bytes_out"], closed.detail["reason"]) == ("console.close", 3001, "left")
    assert closed.detail["bytes_in"] == 10
    assert 0 <= closed.detail["seconds"] < 10
    assert len(sessions) == 0


def test_what_cannot_be_recorded_is_not_opened(
    guest: Guest, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*args: Any, **kwargs: Any) -> None:
        raise OSError("no space left")

    sessions, ana = LiveSessions(), person()
    monkeypatch.setattr("consoles.sessions.audit.record", full_disk)
    with pytest.raises(OSError, match="no space"):
        open_for(sessions, ana, guest)
    assert len(sessions) == 0
    assert not ConsoleSession.objects.exists()


@pytest.mark.parametrize(
    ("setting", "words", "code"),
    [
        ("CONSOLES_PER_USER", "You have too many", 4421),
        ("CONSOLES_PER_GUEST", "Too many people", 4422),
        ("CONSOLES_PER_PROCESS", "Try again later", 4423),
    ],
)
def test_caps(setting: str, words: str, code: int, guest: Guest, person: MakePerson, settings: Settings) -> None:
    sessions, ana = LiveSessions(), person()
    setattr(settings, setting, 2)
    first = open_for(sessions, ana, guest)
    open_for(sessions, ana, guest)
    with pytest.raises(ConsoleRefused, match=words) as refused:
        open_for(sessions, ana, guest)
    assert refused.value.close_code == code
    first.close("left")
    open_for(sessions, ana, guest)


@pytest.mark.parametrize("role", [None, "watcher"])
def test_nobody_opens_what_they_do_not_hold(role: str | None, guest: Guest, person: MakePerson) -> None:
    sessions = LiveSessions()
    with pytest.raises(ConsoleRefused) as refused:
        open_for(sessions, person("eve", role=role), guest, mode="control")
    assert refused.value.close_code == 4403
    assert len(sessions) == 0


def lose_grant(person: Person, guest: Guest) -> None:
    Grant.objects.all().delete()


def sign_out(person: Person, guest: Guest) -> None:
    person.client.logout()


def session_runs_out(person: Person, guest: Guest) -> None:
    Session.objects.update(expire_date=timezone.now())


def disable(person: Person, guest: Guest) -> None:
    User.objects.update(is_active=False)


def delete_user(person: Person, guest: Guest) -> None:
    Session.objects.all().delete()
    ConsoleSession.objects.all().delete()
    Grant.objects.all().delete()
    User.objects.filter(pk=person.user.pk).delete()


def change_password(person: Person, guest: Guest) -> None:
    person.user.set_password("another horse battery")
    person.user.save()


def guest_goes(person: Person, guest: Guest) -> None:
    Guest.objects.update(gone_at=timezone.now() - BETWEEN_HOSTS)


@pytest.mark.parametrize(
    ("loss", "code"),
    [
        (lose_grant, 4403),
        (sign_out, 4401),
        (session_runs_out, 4401),
        (disable, 4401),
        (delete_user, 4401),
        (change_password, 4401),
        (guest_goes, 4403),
    ],
)
@pytest.mark.parametrize("mode", ["watch", "control"])
def test_a_console_ends_with_the_right_to_it(
    loss: Callable[[Person, Guest], None], code: int, mode: str, guest: Guest, person: MakePerson
) -> None:
    sessions, ends, ana = LiveSessions(), Ends(), person()
    open_for(sessions, ana, guest, ends, mode=mode)
    sessions.check()
    assert ends == []
    loss(ana, guest)
    sessions.check()
    assert [c for c, _ in ends] == [code]


def test_a_controller_who_may_still_watch_becomes_a_watcher(guest: Guest, person: MakePerson) -> None:
    sessions, ends, downgrades, ana = LiveSessions(), Ends(), [], person()
    live = open_for(sessions, ana, guest, ends, on_downgrade=lambda: downgrades.append(1))
    Grant.objects.update(role="watcher")
    sessions.check()
    sessions.check()
    assert (downgrades, ends, live.mode) == ([1], [], "watch")
    live.close("left")
    assert ConsoleSession.objects.get().mode == "watch"


def test_without_a_way_to_become_a_watcher_the_console_ends(guest: Guest, person: MakePerson) -> None:
    sessions, ends, ana = LiveSessions(), Ends(), person()
    open_for(sessions, ana, guest, ends)
    Grant.objects.update(role="watcher")
    sessions.check()
    assert [c for c, _ in ends] == [4403]


def test_checking_many_consoles_takes_four_queries(
    guest: Guest, person: MakePerson, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    sessions = LiveSessions()
    other_id = uuid.uuid4()
    other = Guest.objects.create(id=other_id, uuid=other_id, host=guest.host, name="web-2", state="running")
    for n in range(8):
        who = person(f"user{n}")
        Grant.objects.create(user=who.user, role="watcher", scope="everything")
        open_for(sessions, who, guest)
        open_for(sessions, who, other, mode="watch")
    with django_assert_num_queries(4):
        sessions.check()


def test_opening_takes_five_queries(
    guest: Guest, person: MakePerson, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    sessions, ana = LiveSessions(), person()
    key = ana.session_key
    with django_assert_num_queries(5 + 2):  # session, person, role, two lines; and the savepoint of this test
        sessions.open(kind="vnc", mode="control", user_id=ana.user.pk, session_key=key, guest=guest, on_revoke=Ends())


def test_who_was_just_found_signed_in_is_asked_again_only_when_rights_changed_since(
    guest: Guest, person: MakePerson, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    sessions, ana = LiveSessions(), person()
    key, seen = ana.session_key, sessions.rights_heard

    def open_now() -> LiveSession:
        return sessions.open(
            kind="vnc",
            mode="control",
            user_id=ana.user.pk,
            session_key=key,
            signed_in=(ana.user, seen),
            guest=guest,
            on_revoke=Ends(),
        )

    with django_assert_num_queries(3 + 2):  # role and two lines
        open_now()
    ana.client.logout()
    sessions._hear({Feed.RIGHTS: 7})
    with pytest.raises(ConsoleRefused) as refused:
        open_now()
    assert refused.value.close_code == 4401


@pytest.fixture
def running(transactional_db: None) -> Iterator[LiveSessions]:
    sessions, feed = LiveSessions(), ChangeFeed()
    feed.start()
    sessions.start(feed)
    yield sessions
    sessions.stop()
    feed.stop()


def test_a_lost_grant_reaches_the_console_by_the_feed(running: LiveSessions, guest: Guest, person: MakePerson) -> None:
    ends, ana = Ends(), person()
    open_for(running, ana, guest, ends)
    Grant.objects.all().delete()
    announce(Feed.RIGHTS)
    deadline = time.monotonic() + 5
    while not ends and time.monotonic() < deadline:
        time.sleep(0.02)
    assert {c for c, _ in ends} == {4403}  # each look says so until the console has closed


def test_a_stopping_console_server_says_so(running: LiveSessions, guest: Guest, person: MakePerson) -> None:
    ends, ana = Ends(), person()
    open_for(running, ana, guest, ends)
    running.stop()
    assert [c for c, _ in ends] == [1001]


def test_a_crashed_server_s_records_are_ended_at_the_next_start(
    transactional_db: None, guest: Guest, person: MakePerson
) -> None:
    open_for(LiveSessions(), person(), guest)
    sessions, feed = LiveSessions(), ChangeFeed()
    feed.start()
    sessions.start(feed)
    sessions.stop()
    feed.stop()
    assert "restarted" in ConsoleSession.objects.get().reason


def test_the_end_of_a_deleted_person_s_console_is_on_record(guest: Guest, person: MakePerson) -> None:
    sessions, ends, ana = LiveSessions(), Ends(), person()
    live = open_for(sessions, ana, guest, ends)
    live.count(bytes_out=5)
    delete_user(ana, guest)
    sessions.check()
    live.close(ends[0][1])
    closed = AuditRecord.objects.get(action="console.close")
    assert (closed.user_name, closed.guest, closed.detail["bytes_out"], closed.detail["mode"]) == (
        "ana",
        guest,
        5,
        "control",
    )
    assert closed.detail["reason"] == "You are not signed in any more."
