"""API tokens' pages: made after proving who one is, shown once, revoked by their owner or an administrator."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from guests.access import Grant
from guests.access.tokens import Ability, APIToken, find_token, make_token
from guests.audit.models import AuditRecord
from tests.dashboard.conftest import Site

FORM = {"name": "ci", "ability": "operate", "days": "30", "reach": "everything"}


def proven(site: Site, who: str) -> Client:
    """A browser of somebody who just proved who they are."""
    client = site.client(who)
    session = client.session
    session["account_authentication_methods"] = [{"method": "password", "at": time.time(), "reauthenticated": True}]
    session["account_authentication_methods_user"] = str(site.people[who].pk)
    session.save()
    return client


def made(site: Site, who: str, name: str = "ci", **only: Any) -> APIToken:
    return make_token(site.people[who], name, Ability.READ, timezone.now() + timedelta(days=1), **only)[0]


def test_a_token_is_shown_once_and_works(site: Site) -> None:
    client = proven(site, "operator")
    answer = client.post("/accounts/tokens/new/", FORM)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    secret = re.findall(r"guesthouse_[\w-]{43}", answer.content.decode())
    assert len(secret) == 1
    token = find_token(secret[0])
    assert token is not None
    assert (token.user, token.ability, token.is_limited) == (site.people["operator"], "operate", False)
    assert timedelta(days=29) < token.expires_at - timezone.now() < timedelta(days=31)
    assert Client().get("/api/v1/", headers={"Authorization": f"Bearer {secret[0]}"}).json()["user"] == "operator"
    page = client.get("/accounts/tokens/").content.decode()
    assert "ci" in page and secret[0] not in page
    line = AuditRecord.objects.get(action="token.make")
    assert (line.user_name, line.address) == ("operator", "127.0.0.1")


def test_a_token_is_for_what_was_chosen(site: Site) -> None:
    chosen = {**FORM, "reach": "chosen", "guests": [str(site.web.pk)], "hosts": [str(site.alpha.pk)]}
    proven(site, "operator").post("/accounts/tokens/new/", chosen)
    token = APIToken.objects.get()
    assert token.is_limited
    assert (list(token.guests.all()), list(token.hosts.all())) == ([site.web], [site.alpha])


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "", "This field is required."),
        ("name", "old", "You have a token of this name. Choose another name, or revoke that one."),
        ("name", "x" * 61, "at most 60 characters"),
        ("days", "366", "Select a valid choice"),
        ("ability", "administrator", "Select a valid choice"),
        ("reach", "chosen", "Choose at least one host or guest below."),
        ("guests", "FAR", "Select a valid choice"),
    ],
)
def test_what_makes_no_token_is_said_and_kept(site: Site, field: str, value: str, sentence: str) -> None:
    made(site, "operator", "old")
    typed = {**FORM, field: str(site.far.pk) if value == "FAR" else value}
    if value == "FAR":
        typed["reach"] = "chosen"
    answer = proven(site, "operator").post("/accounts/tokens/new/", typed)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert APIToken.objects.count() == 1


def test_one_proves_who_one_is_before(site: Site) -> None:
    client = site.client("operator")
    for answer in (client.get("/accounts/tokens/new/"), client.post("/accounts/tokens/new/", FORM)):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert not APIToken.objects.exists()


def test_only_own_guests_can_be_chosen_or_read(site: Site) -> None:
    page = proven(site, "operator").get("/accounts/tokens/new/").content.decode()
    assert "web-1" in page and "far-1" not in page and "beta" not in page
    assert "web-1" not in proven(site, "stranger").get("/accounts/tokens/new/").content.decode()


def test_one_sees_and_revokes_one_s_own_only(site: Site) -> None:
    own, other = made(site, "operator", "own-token"), made(site, "watcher", "other-token")
    client = site.client("operator")
    for path in ("/accounts/tokens/", "/accounts/tokens/?of=everybody"):
        page = client.get(path).content.decode()
        assert "own-token" in page and "other-token" not in page
    assert client.post(f"/accounts/tokens/{other.pk}/revoke/").status_code == 404
    assert client.get(f"/accounts/tokens/{own.pk}/revoke/").status_code == 405
    assert client.post(f"/accounts/tokens/{own.pk}/revoke/").status_code == 302
    assert client.post(f"/accounts/tokens/{own.pk}/revoke/").status_code == 404
    own.refresh_from_db()
    other.refresh_from_db()
    assert own.revoked_at is not None
    assert other.revoked_at is None
    assert "own-token" not in client.get("/accounts/tokens/").content.decode().replace("own-token was revoked", "")


def test_an_administrator_of_everything_sees_and_revokes_all(site: Site) -> None:
    Grant.objects.create(user=site.people["administrator"], role="administrator", scope="everything")
    token = made(site, "watcher", "their-token")
    client = site.client("administrator")
    assert "their-token" not in client.get("/accounts/tokens/").content.decode()
    assert "their-token" in client.get("/accounts/tokens/?of=everybody").content.decode()
    answer = client.post(f"/accounts/tokens/{token.pk}/revoke/")
    assert answer["Location"] == "/accounts/tokens/?of=everybody"
    line = AuditRecord.objects.get(action="token.revoke")
    assert (line.user_name, line.detail["owner"]) == ("administrator", "watcher")


def test_the_list_says_what_each_may_and_how_it_was_used(site: Site) -> None:
    made(site, "operator", "t0", guests=[site.web])
    APIToken.objects.update(used_at=timezone.now(), used_from="192.0.2.7", expires_at=timezone.now())
    client = site.client("operator")
    client.get("/accounts/tokens/")
    numbers = []
    for name in ("t1", "t2", "t3"):
        made(site, "operator", name, guests=[site.web])
        with CaptureQueriesContext(connection) as queries:
            page = client.get("/accounts/tokens/").content.decode()
        numbers.append(len(queries))
    assert len(set(numbers)) == 1
    for words in ("Read only", "web-1", "192.0.2.7", "expired", "never"):
        assert words in page


def test_the_reference_is_made_of_the_document(site: Site) -> None:
    page = site.client("watcher").get("/api/").content.decode()
    document = Client().get("/api/v1/openapi.json").json()
    for path, methods in document["paths"].items():
        assert path in page
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    linked = set(re.findall(r'href="#(shape-\w+)"', page))
    assert linked <= set(re.findall(r'id="(shape-\w+)"', page))
