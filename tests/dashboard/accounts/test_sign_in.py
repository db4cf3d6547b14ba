"""Signing in: recorded, throttled, closed to strangers (A3, A5, A6, A8, F3, F6)."""

from __future__ import annotations

import re
from statistics import median
from time import perf_counter
from typing import Any

import pytest
import time_machine
from django.conf.global_settings import PASSWORD_HASHERS
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import NoReverseMatch, reverse

from guests import audit
from guests.audit.models import AuditRecord
from guests.inventory.changes import Feed, current_revision

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
SIGN_IN = "/accounts/login/"


@pytest.fixture(autouse=True)
def anna(db: None) -> User:
    cache.clear()
    return User.objects.create_user("anna", password=PASSWORD)


def sign_in(client: Client, password: str = PASSWORD, name: str = "anna", address: str = "192.0.2.7") -> HttpResponse:
    return client.post(SIGN_IN, {"login": name, "password": password}, REMOTE_ADDR=address)  # type: ignore[return-value]


def test_F3_sign_in_failure_and_sign_out_are_recorded_with_their_address(client: Client) -> None:
    assert sign_in(client, "wrong").status_code == 200
    assert sign_in(client).status_code == 302
    assert client.post("/accounts/logout/", REMOTE_ADDR="192.0.2.7").status_code == 302
    lines = list(AuditRecord.objects.order_by("id").values_list("action", "outcome", "user_name", "address"))
    assert lines == [
        ("account.sign_in", "failed", "anna", "192.0.2.7"),
        ("account.sign_in", "ok", "anna", "192.0.2.7"),
        ("account.sign_out", "ok", "anna", "192.0.2.7"),
    ]
    assert PASSWORD not in str(list(AuditRecord.objects.values()))
    assert "wrong" not in str(list(AuditRecord.objects.values()))


def test_F6_a_sign_in_that_cannot_be_recorded_does_not_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(audit, "record", broken)
    client = Client(raise_request_exception=False)
    assert sign_in(client).status_code == 500
    assert not [session for session in Session.objects.all() if "_auth_user_id" in session.get_decoded()]
    assert "_auth_user_id" not in client.session
    monkeypatch.undo()
    assert client.get("/guests/").status_code == 302


def test_A3_the_session_key_changes_at_sign_in_and_the_old_one_is_dead(client: Client) -> None:
    session = client.session
    session["before"] = 1
    session.save()
    old = session.session_key
    sign_in(client)
    assert client.session.session_key != old
    assert not Session.objects.filter(session_key=old).exists()


def test_A5_failures_throttle_and_a_right_password_is_refused_meanwhile(client: Client) -> None:
    for _ in range(5):
        assert sign_in(client, "wrong").status_code == 200
    refused = sign_in(client)
    assert refused.status_code == 429
    assert refused["Retry-After"] == "300"
    assert "_auth_user_id" not in client.session


def test_A5_guessing_from_elsewhere_does_not_lock_out_the_person(client: Client) -> None:
    for _ in range(8):
        sign_in(client, "wrong", address="198.51.100.1")
    assert sign_in(client, address="192.0.2.7").status_code == 302


def test_A5_the_throttle_ends_by_itself(client: Client) -> None:
    with time_machine.travel("2026-11-22 12:00:00Z", tick=False) as clock:
        for _ in range(6):
            sign_in(client, "wrong")
        assert sign_in(client).status_code == 429
        clock.shift(301)
        assert sign_in(client).status_code == 302


def test_A5_one_address_that_tries_many_names_is_throttled(client: Client) -> None:
    answers = [sign_in(client, "wrong", name=f"name-{number}").status_code for number in range(12)]
    assert answers[0] == 200
    assert answers[-1] == 429


FAILING = ("nobody", "anna", "gone")  # an unknown name, a wrong password, an account that was disabled


@pytest.fixture
def gone(db: None) -> None:
    User.objects.create_user("gone", password=PASSWORD, is_active=False)


def test_A6_an_unknown_name_and_a_wrong_password_look_alike(gone: None) -> None:
    """Status, body and headers; 50 of each take as long beside the hash of a password, which costs nothing here."""
    told, seconds = {}, dict[str, list[float]]()
    for _ in range(50):
        for name in FAILING:  # in turn: what else the machine does falls on all of them
            cache.clear()
            client = Client()
            started = perf_counter()
            answer = sign_in(client, "wrong", name=name)
            seconds.setdefault(name, []).append(perf_counter() - started)
            body = _without_what_differs_each_time(answer.content.decode().replace(name, "NAME"))
            told[name] = (answer.status_code, body, sorted(answer.headers), sorted(client.cookies))
    assert told["nobody"] == told["anna"] == told["gone"]
    assert told["nobody"][0] == 200
    unknown, *others = (median(seconds[name]) for name in FAILING)
    assert all(0.5 < other / unknown < 2 for other in others), (unknown, others)


@pytest.mark.parametrize("name", FAILING)
def test_A6_a_failed_sign_in_costs_one_hash_whoever_it_is_for(
    gone: None, name: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is nearly all of its time: counted, because time is noise."""
    settings.PASSWORD_HASHERS = PASSWORD_HASHERS
    User.objects.exclude(pk=0).update(password=make_password(PASSWORD))
    hashed = []

    def encode(self: PBKDF2PasswordHasher, password: str, salt: str, iterations: int | None = None) -> str:
        hashed.append((password, iterations or self.iterations))
        return "no password's hash"

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", encode)
    assert sign_in(Client(), "wrong", name=name).status_code == 200
    assert hashed == [("wrong", PBKDF2PasswordHasher.iterations)]


def _without_what_differs_each_time(html: str) -> str:
    return re.sub(r'(nonce|value|content|data-[a-z-]+)="[^"]{16,}"', "", html)


def test_A8_a_new_password_ends_the_other_sessions_at_once(client: Client) -> None:
    elsewhere = Client()
    sign_in(client)
    sign_in(elsewhere)
    assert Session.objects.count() == 2
    before = current_revision(Feed.RIGHTS)
    new = "another horse battery"
    answer = client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert answer.status_code == 302
    assert Session.objects.count() == 1
    assert Session.objects.get().session_key == client.session.session_key
    assert current_revision(Feed.RIGHTS) > before  # open consoles check again
    assert client.get("/accounts/password/change/").status_code == 200
    assert elsewhere.get("/accounts/password/change/").status_code == 302
    assert AuditRecord.objects.filter(action="account.password", user_name="anna").count() == 1


def test_A8_a_password_set_by_a_command_ends_every_session(client: Client, anna: User) -> None:
    sign_in(client)
    anna.set_password("another horse battery")
    anna.save()
    assert not Session.objects.exists()


def test_A10_a_deactivated_person_is_signed_out(client: Client, anna: User) -> None:
    sign_in(client)
    anna.is_active = False
    anna.save()
    assert client.get("/accounts/password/change/").status_code == 302
    assert (
        sign_in(Client()).headers.get("Location", "").endswith("/inactive/") or "_auth_user_id" not in Client().session
    )


@pytest.mark.parametrize("weak", ["short", "password1234", "anna-anna-anna", "qwertyuiop12"])
def test_A11_a_weak_password_is_refused(client: Client, weak: str) -> None:
    User.objects.create_user("anna-anna", password=PASSWORD)
    client.post(SIGN_IN, {"login": "anna-anna", "password": PASSWORD})
    client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": weak, "password2": weak})
    assert User.objects.get(username="anna-anna").check_password(PASSWORD)


def test_A11_no_account_exists_by_itself(db: None) -> None:
    User.objects.all().delete()
    call_command("migrate", verbosity=0)
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/signup/",
        "/accounts/signup/passkey/",
        "/accounts/email/",
        "/accounts/confirm-email/",
        "/accounts/password/reset/",
        "/accounts/password/reset/done/",
        "/accounts/password/set/",
        "/accounts/login/code/",
        "/accounts/login/code/confirm/",
        "/accounts/3rdparty/",
    ],
)
def test_what_does_not_work_here_is_not_there(client: Client, path: str) -> None:
    client.force_login(User.objects.get(), backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404


@pytest.mark.parametrize("name", ["account_signup", "account_reset_password", "account_email"])
def test_no_page_can_link_to_what_is_not_there(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name)


def test_the_account_pages_open(client: Client) -> None:
    sign_in(client)
    for name in ("account_change_password", "usersessions_list", "mfa_index", "account_logout"):
        assert client.get(reverse(name)).status_code == 200, name


def test_no_mail_is_ever_sent(client: Client, mailoutbox: list[object], anna: User) -> None:
    anna.email = "anna@example.org"
    anna.save()
    sign_in(client)
    new = "another horse battery"
    client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert mailoutbox == []


def test_D10_a_client_cannot_choose_its_address(client: Client) -> None:
    client.post(
        SIGN_IN,
        {"login": "anna", "password": "wrong"},
        REMOTE_ADDR="192.0.2.7",
        headers={"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"},
    )
    assert AuditRecord.objects.get().address == "192.0.2.7"


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, <script>", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_D10_behind_a_proxy_only_its_own_entry_counts(header: str, address: str, settings: Any) -> None:
    from django.http import HttpRequest

    from dashboard.accounts.addresses import ClientAddressMiddleware

    settings.BEHIND_PROXY = True
    request = HttpRequest()
    request.META |= {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": header}
    ClientAddressMiddleware(lambda seen: HttpResponse(seen.META["REMOTE_ADDR"]))(request)
    assert request.META["REMOTE_ADDR"] == address
