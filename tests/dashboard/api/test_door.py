"""Who comes in: a valid token and nothing else, counted and recorded; strangers' ids are as none."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dashboard import rates
from dashboard.api import door
from guests.access.tokens import APIToken, revoke_token
from guests.audit.models import AuditRecord
from guests.operations.models import Operation
from tests.dashboard.api.conftest import Program, error_of
from tests.dashboard.conftest import Site
from tests.dashboard.routes import API_ROUTES, Route

Programs = Callable[..., Program]


def refused(answer: Any, error: str = "invalid_token") -> None:
    error_of(answer, 401)
    assert answer["WWW-Authenticate"] == 'Bearer realm="Guesthouse"' + (f', error="{error}"' if error else "")


def test_a_session_opens_nothing(site: Site) -> None:
    client = site.client("root")
    for route in API_ROUTES:
        for answer in (client.get(route.path()), client.post(route.path())):
            refused(answer, "")
            assert not answer.cookies
    assert not Operation.objects.exclude(pk=site.operation.pk).exists()


def test_a_token_opens_no_page(site: Site, program: Programs) -> None:
    for path in ("/guests/", "/hosts/", "/accounts/password/change/", f"/guests/{site.web.pk}/"):
        answer = program("root").client.get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/")


def test_a_session_beside_a_token_counts_for_nothing(site: Site, program: Programs) -> None:
    weak = program("watcher")
    browser = site.client("root")
    answer = browser.get("/api/v1/", headers={"Authorization": f"Bearer {weak.secret}"})
    assert answer.json()["user"] == "watcher"
    assert "Cookie" not in answer.get("Vary", "")


def test_no_csrf_token_is_needed(site: Site, program: Programs) -> None:
    strict = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {program('operator').secret}"})
    path = f"/api/v1/guests/{site.web.pk}/power"
    answer = strict.post(path, '{"act": "pause"}', content_type="application/json")
    assert answer.status_code == 202


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic cm9vdDpyb290", "Bearer guesthouse_", "Token x"])
def test_what_is_no_token_is_refused(site: Site, header: str) -> None:
    answer = Client(headers={"Authorization": header}).get("/api/v1/guests")
    refused(answer, "invalid_token" if header.lower().startswith("bearer") else "")


def test_a_token_in_the_address_is_none(site: Site, program: Programs) -> None:
    secret = program("root").secret
    refused(Client().get(f"/api/v1/guests?token={secret}&access_token={secret}"), "")


@pytest.mark.parametrize("end", ["revoked", "expired", "its owner is disabled"])
def test_a_token_that_ended_is_refused_and_recorded(site: Site, program: Programs, end: str) -> None:
    ended = program("operator")
    assert ended.get("/").status_code == 200
    if end == "revoked":
        revoke_token(ended.token, by=site.people["root"])
    elif end == "expired":
        APIToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    else:
        User.objects.filter(username="operator").update(is_active=False)
    refused(ended.get("/"))
    line = AuditRecord.objects.get(action="token.refused")
    assert (line.outcome, line.user_name, line.detail) == (
        "denied",
        "operator",
        {"why": end, "token": str(ended.token)},
    )


def test_guessing_does_not_fill_the_record(site: Site) -> None:
    client = Client()
    for number in range(15):
        refused(client.get("/api/v1/guests", headers={"Authorization": f"Bearer guesthouse_{number}"}))
    lines = AuditRecord.objects.filter(action="token.refused")
    assert 1 <= lines.count() <= door.RECORDED_PER_MINUTE
    assert "guesthouse_" not in str([line.detail for line in lines])


def test_the_last_use_is_kept(site: Site, program: Programs) -> None:
    came = program("operator")
    came.get("/", REMOTE_ADDR="192.0.2.7")
    came.token.refresh_from_db()
    assert came.token.used_from == "192.0.2.7"
    assert came.token.used_at is not None


def test_each_token_is_counted(site: Site, program: Programs, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    busy, other = program("operator"), program("operator")
    assert [busy.get("/").status_code for _ in range(3)] == [200, 200, 200]
    answer = busy.get("/")
    assert error_of(answer, 429)["code"] == "too_many_requests"
    assert 1 <= int(answer["Retry-After"]) <= 20
    assert other.get("/").status_code == 200


def test_F1_changes_count_for_the_person_whatever_they_come_with(site: Site, program: Programs, settings: Any) -> None:
    settings.ACTIONS_PER_MINUTE = 3
    rates.actions_of_a_person.forget()
    one, other = program("operator"), program("operator")
    path = f"/guests/{site.web.pk}/power"
    assert [came.post(path, {"act": "reboot"}).status_code for came in (one, other, one)] == [202, 202, 202]
    assert int(other.post(path, {"act": "reboot"})["Retry-After"]) > 0
    assert other.get("/guests").status_code == 200


def test_a_flood_without_a_token_is_turned_away(site: Site, settings: Any) -> None:
    settings.REQUESTS_PER_ADDRESS_PER_MINUTE = 2
    rates.requests_of_an_address.forget()
    client = Client()
    assert [client.get("/api/v1/guests").status_code for _ in range(3)] == [401, 401, 429]
    rates.requests_of_an_address.forget()


def _other(route: Route) -> str:
    return route.path(guest_id=uuid.uuid4(), operation_id=uuid.uuid4(), name="nosuchhost")


# What a body needs to be looked at; by how the address ends.
BODIES = {"power": {"act": "start"}, "plugged": {"model": "dimm", "kib": 1 << 20}, "<device>": {"requested_kib": 0}}


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("route", [route for route in API_ROUTES if route.parameters], ids=str)
@pytest.mark.parametrize("who", ["stranger", "root"])
def test_B2_what_a_token_may_not_see_answers_like_what_never_was(
    site: Site, program: Programs, route: Route, method: str, who: str
) -> None:
    came = program(who, guests=[site.far]) if who == "root" else program(who)
    body = next((body for end, body in BODIES.items() if route.pattern.endswith(end)), {})
    answers = []
    for path in (route.path(), _other(route)):
        answer = came.send(method, path.removeprefix("/api/v1"), body)
        error = error_of(answer, answer.status_code)
        error.pop("id")
        answers.append((answer.status_code, error, sorted(answer.headers)))
    assert answers[0] == answers[1]
    assert answers[0][0] in {404, 405}
    assert not Operation.objects.exclude(pk=site.operation.pk).exists()


def test_methods_that_an_address_does_not_have_are_refused_with_all_headers(site: Site, program: Programs) -> None:
    for method in ("put", "patch", "delete", "options"):
        answer = getattr(program("root").client, method)("/api/v1/guests")
        error_of(answer, 405)
        assert answer["Allow"] == "GET"
        assert "default-src 'none'" in answer["Content-Security-Policy"]


def test_what_is_no_address_of_the_api_is_an_error_of_the_api(site: Site, program: Programs) -> None:
    error_of(program("root").get("/nothing"), 404)
    error_of(Client().get("/api/v1/nothing"), 404)


def test_our_own_failures_have_the_shape_and_an_id_in_the_log(
    site: Site, program: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr("dashboard.api.guests.found_by", broken)
    answer = program("root").get("/find?q=web")
    assert error_of(answer, 500)["code"] == "failed"
    assert b"secret words" not in answer.content


def test_errors_are_in_the_language_that_was_asked_for(site: Site, program: Programs) -> None:
    answer = program("root").get("/hosts/none", headers={"Accept-Language": "pt-BR"})
    assert error_of(answer, 404)["sentence"] == "Não existe esse host."


def test_answers_are_never_kept(site: Site, program: Programs) -> None:
    assert program("root").get("/guests")["Cache-Control"] == "no-store"
