"""A9: a session ends some days after the sign-in and some hours after the person last did something."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from consoles.sessions import LiveSessions
from dashboard.hints import _is_signed_in
from guests.access import Role, grant
from tests.guests.inventory_rows import make_guest, make_host

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
HOUR = timedelta(hours=1)
# What a page does by itself, as browsers mark it: hints' fragments, pictures, a console's ticket.
BY_ITSELF = [
    ("get", {"HX-Request": "true", "Sec-Fetch-Mode": "cors"}),
    ("get", {"Sec-Fetch-Mode": "same-origin"}),
    ("post", {"Sec-Fetch-Mode": "cors"}),
]
BY_A_PERSON = [
    ("get", {}),
    ("get", {"Sec-Fetch-Mode": "navigate"}),
    ("get", {"HX-Request": "true", "HX-Boosted": "true", "Sec-Fetch-Mode": "cors"}),
    ("post", {"HX-Request": "true", "Sec-Fetch-Mode": "cors"}),
]


@pytest.fixture
def clock() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel("2026-11-22 12:00:00Z", tick=False) as clock:
        yield clock


@pytest.fixture
def anna(db: None, clock: time_machine.Coordinates) -> User:
    cache.clear()
    return User.objects.create_user("anna", password=PASSWORD)


def signed_in(*, remember: bool = True) -> Client:
    client = Client()
    fields = {"login": "anna", "password": PASSWORD} | ({"remember": "on"} if remember else {})
    assert client.post("/accounts/login/", fields).status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/guests/", headers={"Sec-Fetch-Mode": "cors"}).status_code == 200


@pytest.mark.parametrize(("method", "headers"), BY_A_PERSON)
def test_A9_who_does_something_stays_in_until_the_absolute_end(
    anna: User, clock: time_machine.Coordinates, method: str, headers: dict[str, str]
) -> None:
    client = signed_in()
    for _ in range(14):
        clock.shift(23 * HOUR)
        assert is_in(client)
        getattr(client, method)("/guests/", headers=headers)
    clock.shift(13 * HOUR)  # 335 of 336 hours
    assert is_in(client)
    getattr(client, method)("/guests/", headers=headers)
    clock.shift(HOUR + timedelta(seconds=1))
    assert not is_in(client)


def test_A9_who_does_nothing_is_signed_out(anna: User, clock: time_machine.Coordinates) -> None:
    for remember in (True, False):
        client = signed_in(remember=remember)
        clock.shift(24 * HOUR - timedelta(seconds=1))
        assert is_in(client)
        clock.shift(timedelta(seconds=2))
        assert not is_in(client)


@pytest.mark.parametrize(("method", "headers"), BY_ITSELF)
def test_A9_what_a_page_does_by_itself_keeps_no_session_alive(
    anna: User, clock: time_machine.Coordinates, method: str, headers: dict[str, str]
) -> None:
    client = signed_in()
    for _ in range(24):
        clock.shift(HOUR - timedelta(seconds=1))
        getattr(client, method)("/guests/", headers=headers)
    assert is_in(client)
    clock.shift(timedelta(seconds=30))
    assert not is_in(client)


def test_A9_an_open_console_or_live_socket_keeps_no_session_alive(anna: User, clock: time_machine.Coordinates) -> None:
    guest = make_guest(make_host(), "web-1")
    grant(Role.OPERATOR, anna, guest, by=None)
    client, sessions, ended = signed_in(), LiveSessions(), []
    key = client.session.session_key or ""
    sessions.open(
        kind="vnc",
        mode="control",
        user_id=anna.pk,
        session_key=key,
        guest=guest,
        on_revoke=lambda code, _sentence: ended.append(int(code)),
    )
    clock.shift(24 * HOUR - timedelta(seconds=1))
    sessions.check()  # what the console server does every 20 s
    assert ended == []
    assert _is_signed_in(key, anna)  # what live sockets are asked every 20 s
    clock.shift(timedelta(seconds=2))
    sessions.check()
    assert ended == [4401]
    assert not _is_signed_in(key, anna)


def test_A9_the_limits_are_settings(anna: User, clock: time_machine.Coordinates, settings: object) -> None:
    settings.SESSION_HOURS, settings.SESSION_IDLE_HOURS = 2.0, 0.5  # type: ignore[attr-defined]
    client = signed_in()
    for _ in range(4):
        clock.shift(29 * HOUR / 60)
        assert client.get("/guests/").status_code == 200
    clock.shift(5 * HOUR / 60)
    assert not is_in(client)


def test_the_cookie_ends_with_the_session_or_with_the_browser(anna: User) -> None:
    kept = signed_in().cookies["guesthouse_session"]
    assert int(kept["max-age"]) == 24 * 3600
    assert signed_in(remember=False).cookies["guesthouse_session"]["max-age"] == ""


def test_activity_is_noted_once_a_minute(
    anna: User, clock: time_machine.Coordinates, django_assert_num_queries: object
) -> None:
    client = signed_in()
    client.get("/guests/")
    before = Session.objects.get().expire_date
    clock.shift(30)
    client.get("/guests/")
    assert Session.objects.get().expire_date == before
    clock.shift(31)
    client.get("/guests/")
    assert Session.objects.get().expire_date == timezone.now() + 24 * HOUR
