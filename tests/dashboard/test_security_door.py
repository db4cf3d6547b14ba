"""C12, C16, F1, F3, F6, F11: rates, floods, refusals on record, a record that fails, a key that changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings as site_settings
from django.core.cache import cache
from django.db import DatabaseError
from django.test import Client
from pytest_django import Settings

from consoles import handshakes
from dashboard import errors, rates
from guests.audit.models import AuditRecord
from guests.operations.models import Operation
from tests.dashboard.conftest import Site
from tests.dashboard.routes import SAMPLES
from tests.dashboard.test_security_anonymous import socket_paths

BUCKETS = (
    rates.actions_of_a_person,
    rates.actions_on_a_guest,
    rates.requests_of_a_person,
    rates.requests_of_an_address,
    errors._refusals,
)
START = f"/guests/{SAMPLES['guest_id']}/power/shut_down/"


@pytest.fixture(autouse=True)
def nobody_was_here_before() -> Iterator[None]:
    for bucket in BUCKETS:
        bucket.forget()
    handshakes.forget()
    cache.clear()  # where django-allauth counts sign-ins
    yield
    for bucket in BUCKETS:
        bucket.forget()
    handshakes.forget()


def check_429(answer: Any) -> None:
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 60
    assert "Nothing was done" in answer.content.decode()
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]


def test_F1_too_many_actions_of_a_person_are_told_to_wait(site: Site, settings: Settings) -> None:
    settings.ACTIONS_PER_MINUTE = 3
    client = site.client("root")
    for _ in range(3):
        assert client.post("/i18n/language/", {"language": "en"}).status_code == 302
    before = Operation.objects.count()
    check_429(client.post(START, {"key": "k9"}))
    check_429(client.post(START, {"key": "k9"}, headers={"HX-Request": "true"}))
    assert Operation.objects.count() == before
    assert client.get("/guests/").status_code == 200
    assert site.client("operator").post("/i18n/language/", {"language": "en"}).status_code == 302


def test_F1_too_many_actions_on_one_guest_are_told_to_wait_whoever_asks(site: Site, settings: Settings) -> None:
    settings.ACTIONS_PER_GUEST_PER_MINUTE = 2
    for number in range(2):
        assert site.client("root").post(START, {"key": f"k{number}"}).status_code < 500
    check_429(site.client("operator").post(START, {"key": "k9"}))
    other = START.replace(SAMPLES["guest_id"], str(site.hostile.pk))
    assert site.client("operator").post(other, {"key": "k10"}).status_code != 429


def test_F1_reading_is_bounded_too(site: Site, settings: Settings) -> None:
    settings.REQUESTS_PER_MINUTE = 2
    client = site.client("watcher")
    assert [client.get("/guests/").status_code for _ in range(3)] == [200, 200, 429]
    assert site.client("operator").get("/guests/").status_code == 200


def test_F1_without_a_session_the_address_counts(site: Site, settings: Settings) -> None:
    settings.REQUESTS_PER_ADDRESS_PER_MINUTE = 2
    answers = [Client(REMOTE_ADDR="192.0.2.7").get("/accounts/login/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert Client(REMOTE_ADDR="192.0.2.8").get("/accounts/login/").status_code == 200
    assert site.client("root", REMOTE_ADDR="192.0.2.7").get("/guests/").status_code == 200


def test_F3_what_is_refused_at_the_door_is_recorded(site: Site) -> None:
    client = site.client("watcher", REMOTE_ADDR="192.0.2.7")
    assert client.post(START, {"key": "k9"}).status_code == 403
    assert client.get("/audit/").status_code == 403
    page, power = AuditRecord.objects.filter(outcome="denied")[:2]
    assert (power.user_name, power.guest_name, power.address) == ("watcher", "web-1", "192.0.2.7")
    assert (page.action, page.detail) == ("request.denied", {"method": "GET", "path": "/audit/"})
    assert AuditRecord.objects.filter(outcome="denied").count() == 2


def test_F3_a_refusal_is_recorded_once(site: Site) -> None:
    from guests.audit import RecordedDenial
    from guests.operations.queue import ask

    with pytest.raises(RecordedDenial):
        ask("start", site.web, by=site.people["watcher"], key="k4")
    data = {"kind": "shut_down", "guest": [str(site.web.pk)], "key": "k5"}
    assert site.client("watcher").post("/guests/bulk/", data).status_code == 403
    assert list(AuditRecord.objects.filter(outcome="denied").values_list("action", flat=True)) == [
        "guest.shut_down",
        "guest.start",
    ]


def test_F3_a_flood_of_refusals_does_not_flood_the_record(site: Site, settings: Settings) -> None:
    settings.REFUSALS_PER_MINUTE = 2
    client = site.client("stranger")
    answers = [client.get("/audit/") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [403, 403, 429, 429]
    assert AuditRecord.objects.filter(outcome="denied").count() == 2


@pytest.mark.django_db(transaction=True)
def test_F6_without_a_record_nothing_is_done_and_reading_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, *args: object, **options: object) -> None:
        raise DatabaseError("database or disk is full")

    client = site.client("root", raise_request_exception=False)
    monkeypatch.setattr(AuditRecord, "save", full)
    before = Operation.objects.count()
    assert client.post(START, {"key": "k9", "confirmed": "1"}).status_code == 500
    assert Operation.objects.count() == before
    assert client.get("/guests/").status_code == 200
    assert client.post("/audit/export/", {"form": "csv"}).status_code == 500
    assert client.get("/audit/").status_code == 200
    anonymous = Client(raise_request_exception=False)
    form = {"login": "root", "password": "correct horse battery"}
    assert anonymous.post("/accounts/login/", form).status_code == 500
    assert anonymous.get("/guests/").status_code == 302


async def knock(path: str, client: tuple[str, int], *headers: tuple[bytes, bytes]) -> tuple[bool, dict[str, Any]]:
    from dashboard.asgi import application

    socket = WebsocketCommunicator(application, path, headers=list(headers))  # type: ignore[arg-type]
    socket.scope["client"] = list(client)
    await socket.send_input({"type": "websocket.connect"})
    answer = await socket.receive_output(timeout=5)
    await socket.disconnect()
    return answer["type"] == "websocket.accept", answer


OUR_ORIGIN = (b"origin", site_settings.ORIGINS[0].encode())


@pytest.mark.django_db(transaction=True)
async def test_C12_a_flood_of_refused_handshakes_is_turned_away_without_a_query(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REFUSED_HANDSHAKES_PER_MINUTE = 5
    for path in (socket_paths() * 5)[:5]:
        _accepted, answer = await knock(path, ("192.0.2.7", 1), OUR_ORIGIN)
        assert answer["code"] == 4403
    with monkeypatch.context() as without:
        without.setattr("dashboard.sockets.signed_in", lambda key: pytest.fail("the database was asked"))
        _accepted, answer = await knock("/ws/live/", ("192.0.2.7", 1), OUR_ORIGIN)
    assert (answer["type"], answer["code"]) == ("websocket.close", 4429)
    assert 0 < int(answer["reason"]) <= 60
    _accepted, answer = await knock("/ws/live/", ("192.0.2.8", 1), OUR_ORIGIN)
    assert answer["code"] == 4403


@pytest.fixture
def session_cookie(transactional_db: None) -> tuple[bytes, bytes]:
    from tests.guests.inventory_rows import person, signed_in

    key = signed_in(person("ada")).cookies[site_settings.SESSION_COOKIE_NAME].value
    return (b"cookie", f"{site_settings.SESSION_COOKIE_NAME}={key}".encode())


@pytest.mark.parametrize(("proto", "accepted"), [(b"https", True), (b"http", False), (None, False)])
async def test_C16_behind_a_proxy_of_an_https_site_a_socket_comes_by_tls_only(
    session_cookie: tuple[bytes, bytes], settings: Settings, proto: bytes | None, accepted: bool
) -> None:
    settings.HTTPS = settings.BEHIND_PROXY = True
    settings.ORIGINS = ["https://guests.example"]
    headers = [(b"origin", b"https://guests.example"), session_cookie]
    headers += [(b"x-forwarded-proto", proto)] if proto else []
    assert (await knock("/ws/live/", ("127.0.0.1", 1), *headers))[0] is accepted


async def test_C16_the_plain_port_s_own_origin_is_foreign_to_an_https_site(
    session_cookie: tuple[bytes, bytes], settings: Settings
) -> None:
    settings.HTTPS = True
    settings.ORIGINS = ["https://guests.example"]
    for origin in (b"http://guests.example", b"http://127.0.0.1:8000", b"http://guests.example:8000"):
        assert not (await knock("/ws/live/", ("127.0.0.1", 1), (b"origin", origin), session_cookie))[0]


@pytest.mark.django_db(transaction=True)
async def test_B2_every_socket_of_a_stranger_tells_the_same_as_for_a_guest_that_never_was() -> None:
    from asgiref.sync import sync_to_async

    from tests.guests.inventory_rows import make_guest, make_host, person, signed_in

    def prepared() -> tuple[str, str]:
        guest = make_guest(make_host(), "web-1")
        return str(guest.pk), signed_in(person("ada")).cookies[site_settings.SESSION_COOKIE_NAME].value

    guest_id, key = await sync_to_async(prepared)()
    cookie = (b"cookie", f"{site_settings.SESSION_COOKIE_NAME}={key}".encode())
    from dashboard.asgi import application

    for path in socket_paths():
        for identity in (guest_id, "5f3c1b0e-0000-4000-8000-0000000fffff"):
            there = path.replace(SAMPLES["guest_id"], identity)
            socket = WebsocketCommunicator(application, there, headers=[OUR_ORIGIN, cookie])  # type: ignore[arg-type]
            assert (await socket.connect(timeout=5))[0]
            if path == "/ws/live/":
                assert await socket.receive_nothing(0.3)
            else:
                assert (await socket.receive_output(timeout=5))["code"] == 4404, there
            await socket.disconnect()


def test_F11_a_new_secret_key_with_the_old_one_as_fallback_keeps_people_and_consoles(
    site: Site, settings: Settings
) -> None:
    from consoles.models import Mode
    from consoles.rights import Held, judge, signed_in

    client = site.client("root")

    def held() -> Held:
        return Held(site.people["root"].pk, client.session.session_key or "", site.web.pk, Mode.CONTROL)

    old, settings.SECRET_KEY = settings.SECRET_KEY, "a new key of fifty characters or more, made with care"
    settings.SECRET_KEY_FALLBACKS = [old]
    assert judge([held()]) == {}
    assert signed_in(client.session.session_key or "") == site.people["root"]
    assert client.get("/guests/").status_code == 200  # which makes a session of the new key out of it
    assert judge([held()]) == {}
    settings.SECRET_KEY_FALLBACKS = []
    other = site.client("operator")
    settings.SECRET_KEY = "yet another key of fifty characters or more, with care"
    assert signed_in(other.session.session_key or "") is None
    assert other.get("/guests/").status_code == 302


async def test_F11_a_socket_that_comes_first_after_a_new_secret_key_signs_nobody_out(
    session_cookie: tuple[bytes, bytes], settings: Settings
) -> None:
    from asgiref.sync import sync_to_async
    from django.contrib.sessions.models import Session

    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new key of fifty characters or more, made with care"
    assert (await knock("/ws/live/", ("127.0.0.1", 1), OUR_ORIGIN, session_cookie))[0]
    key = session_cookie[1].decode().partition("=")[2]
    assert await sync_to_async(Session.objects.filter(session_key=key).exists)()
