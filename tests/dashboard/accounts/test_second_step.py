"""A7: the second step cannot be skipped, replayed, guessed, or combined with somebody else's first."""

from __future__ import annotations

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from guests.audit.models import AuditRecord
from tests.dashboard.accounts.test_sessions_end import SECRET, code_now

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
SECOND = "/accounts/2fa/authenticate/"
OTHER_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.fixture(autouse=True)
def anna(db: None) -> User:
    cache.clear()
    anna = User.objects.create_user("anna", password=PASSWORD)
    TOTP.activate(anna, SECRET)
    RecoveryCodes.activate(anna)
    return anna


def first_step(name: str = "anna") -> Client:
    client = Client()
    answer = client.post("/accounts/login/", {"login": name, "password": PASSWORD})
    assert answer["Location"] == SECOND
    return client


def is_in(client: Client) -> bool:
    return client.get("/guests/").status_code == 200


def test_A7_the_password_alone_opens_nothing() -> None:
    client = first_step()
    for path in ("/guests/", "/accounts/sessions/", "/accounts/password/change/", "/accounts/2fa/totp/deactivate/"):
        assert client.get(path)["Location"].startswith("/accounts/login/"), path
        assert client.post(path).status_code in {302, 405}, path
    assert "_auth_user_id" not in client.session
    assert Authenticator.objects.filter(type="totp").exists()


def test_A7_the_right_code_signs_in_and_that_is_recorded() -> None:
    client = first_step()
    assert client.post(SECOND, {"code": code_now(SECRET)}).status_code == 302
    assert is_in(client)
    assert AuditRecord.objects.filter(action="account.sign_in", outcome="ok").count() == 1


def test_A7_a_code_works_once() -> None:
    code = code_now(SECRET)
    assert first_step().post(SECOND, {"code": code}).status_code == 302
    again = first_step()
    assert again.post(SECOND, {"code": code}).status_code == 200
    assert not is_in(again)


def test_A7_a_recovery_code_works_once(anna: User) -> None:
    code = RecoveryCodes.activate(anna).get_unused_codes()[0]
    client = first_step()
    client.post(SECOND, {"code": code})
    assert is_in(client)
    again = first_step()
    again.post(SECOND, {"code": code})
    assert not is_in(again)


@pytest.mark.parametrize("code", ["", "000000", "tfa-challenge", "null", "123456789", code_now(OTHER_SECRET)])
def test_A7_no_other_code_fits(code: str) -> None:
    client = first_step()
    assert client.post(SECOND, {"code": code}).status_code == 200
    assert client.post(SECOND, {"credential": "{}"}).status_code == 200
    assert not is_in(client)


def test_A7_one_s_own_code_does_not_fit_somebody_else_s_first_step() -> None:
    bob = User.objects.create_user("bob", password=PASSWORD)
    TOTP.activate(bob, OTHER_SECRET)
    client = first_step("anna")
    for fields in ({"code": code_now(OTHER_SECRET)}, {"code": code_now(OTHER_SECRET), "user": str(bob.pk)}):
        client.post(SECOND, fields)
        assert not is_in(client)
    # A first step is not exchanged for another's under way; who begins again signs in under that name only.
    client.post("/accounts/login/", {"login": "bob", "password": PASSWORD})
    client.post(SECOND, {"code": code_now(OTHER_SECRET)})
    assert not is_in(client)
    client.post("/accounts/logout/")
    client.post("/accounts/login/", {"login": "bob", "password": PASSWORD})
    client.post(SECOND, {"code": code_now(OTHER_SECRET)})
    assert client.session["_auth_user_id"] == str(bob.pk)


def test_A7_guessing_codes_is_throttled_and_the_right_one_is_refused_meanwhile() -> None:
    with time_machine.travel("2026-11-22 12:00:00Z", tick=False) as clock:
        client = first_step()
        for number in range(5):
            client.post(SECOND, {"code": f"{number:06}"})
        client.post(SECOND, {"code": code_now(SECRET)})
        assert not is_in(client)
        clock.shift(301)
        client = first_step()
        client.post(SECOND, {"code": code_now(SECRET)})
        assert is_in(client)


def test_a_wrong_second_step_is_recorded() -> None:
    first_step().post(SECOND, {"code": "000000"})
    line = AuditRecord.objects.get(action="account.second_step")
    assert (line.outcome, line.user_name) == ("failed", "anna")


def test_secrets_are_of_no_use_without_the_secret_key(anna: User, settings: Settings) -> None:
    kept = str(list(Authenticator.objects.values("data")))
    assert SECRET not in kept
    codes = RecoveryCodes.activate(anna).get_unused_codes()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another " * 8, [django_settings.SECRET_KEY]
    assert RecoveryCodes.activate(anna).get_unused_codes() == codes
    settings.SECRET_KEY_FALLBACKS = []
    assert RecoveryCodes.activate(anna).get_unused_codes() != codes
    client = first_step()
    for code in (code_now(SECRET), code_now("")):
        client.post(SECOND, {"code": code})
        assert not is_in(client)


def test_the_pages_of_the_second_step_open_and_show_the_codes(anna: User) -> None:
    client = first_step()
    client.post(SECOND, {"code": code_now(SECRET)})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    for path in ("", "totp/deactivate/", "webauthn/", "webauthn/add/", "recovery-codes/", "recovery-codes/generate/"):
        assert client.get(f"/accounts/2fa/{path}").status_code == 200, path
    shown = client.get("/accounts/2fa/recovery-codes/").content.decode()
    for code in RecoveryCodes.activate(anna).get_unused_codes():
        assert code in shown
