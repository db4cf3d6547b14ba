"""A8: what changes a sign-in ends every other session, with its consoles and live sockets, within 5 s."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client

from consoles.sessions import LiveSessions
from guests.access import Role, grant
from guests.audit.models import AuditRecord
from guests.inventory.changes import ChangeFeed
from tests.dashboard.test_live import in_thread, live, our_origin  # noqa: F401
from tests.guests.inventory_rows import make_guest, make_host

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD, NEW = "correct horse battery", "another horse battery"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code_now(secret: str) -> str:
    """What the authenticator app shows."""
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def sign_in(name: str = "anna") -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": name, "password": PASSWORD})
    assert "_auth_user_id" in client.session
    return client


def confirm(client: Client) -> None:
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302


def change_password(mine: Client) -> None:
    sent = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert mine.post("/accounts/password/change/", sent).status_code == 302


def add_totp(mine: Client) -> None:
    confirm(mine)
    page = mine.get("/accounts/2fa/totp/activate/")
    secret = page.context["form"].secret
    assert mine.post("/accounts/2fa/totp/activate/", {"code": code_now(secret)}).status_code == 302
    assert Authenticator.objects.filter(type="totp").exists()


def remove_totp(mine: Client) -> None:
    TOTP.activate(User.objects.get(username="anna"), SECRET)
    confirm(mine)
    assert mine.post("/accounts/2fa/totp/deactivate/").status_code == 302
    assert not Authenticator.objects.filter(type="totp").exists()


def new_recovery_codes(mine: Client) -> None:
    TOTP.activate(User.objects.get(username="anna"), SECRET)
    confirm(mine)
    assert mine.post("/accounts/2fa/recovery-codes/generate/").status_code == 302


def sign_out_elsewhere(mine: Client) -> None:
    assert mine.post("/accounts/sessions/").status_code == 302
    line = AuditRecord.objects.get(action="account.sessions")
    assert (line.user_name, line.detail) == ("anna", {"ended": 1})


def be_ended_by_an_administrator(mine: Client) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    pk = User.objects.get(username="anna").pk
    assert sign_in("root").post(f"/accounts/people/{pk}/sessions/").status_code == 302


ACTS: dict[str, Callable[[Client], None]] = {
    "a new password": change_password,
    "a second factor more": add_totp,
    "a second factor less": remove_totp,
    "new recovery codes": new_recovery_codes,
    "signing out elsewhere": sign_out_elsewhere,
    "an administrator": be_ended_by_an_administrator,
}


@pytest.fixture
def consoles(transactional_db: None) -> Iterator[LiveSessions]:
    """The registry of a console server that listens to the change feed."""
    cache.clear()
    feed, sessions = ChangeFeed(), LiveSessions()
    feed.start()
    sessions.start(feed)
    yield sessions
    sessions.stop()
    feed.stop()


@pytest.mark.parametrize("act", ACTS)
async def test_A8_the_other_sessions_end_with_consoles_and_sockets_within_5_s(consoles: LiveSessions, act: str) -> None:
    ended: list[int] = []

    def prepare() -> tuple[Client, Client]:
        anna = User.objects.create_user("anna", password=PASSWORD)
        guest = make_guest(make_host(), "web-1")
        grant(Role.OPERATOR, anna, guest, by=None)
        other = sign_in()
        consoles.open(
            kind="text",
            mode="control",
            user_id=anna.pk,
            session_key=other.session.session_key or "",
            guest=guest,
            on_revoke=lambda code, _sentence: ended.append(int(code)),
        )
        return sign_in(), other

    mine, other = await in_thread(prepare)
    async with live(other.cookies["guesthouse_session"].value) as socket:
        await in_thread(ACTS[act], mine)
        began = time.monotonic()
        assert await socket.receive_output(timeout=5) == {"type": "websocket.close", "code": 4401}
        while not ended and time.monotonic() - began < 5:
            await asyncio.sleep(0.02)
        assert set(ended) == {4401}  # told once for each announcement that came before it closed

    def check() -> None:
        assert other.get("/guests/").status_code == 302
        if act == "an administrator":
            assert mine.get("/guests/").status_code == 302
        else:
            assert mine.get("/guests/").status_code == 200
            assert [s.session_key for s in Session.objects.all() if s.get_decoded().get("_auth_user_id")] == [
                mine.session.session_key
            ]

    await in_thread(check)
