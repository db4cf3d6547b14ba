"""OpenID Connect against a provider on loopback. Settings are read once: each test is a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from dashboard.environment import env_url_with_extra
from tests.dashboard.accounts.oidc_provider import CLIENT, SECRET, Provider

FLOW = """
import json, re, sys, urllib.request, urllib.error
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from html import unescape
call_command("migrate", verbosity=0)
from django.conf import settings
unhashed = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
settings.STORAGES = {**settings.STORAGES, "staticfiles": unhashed}
from guests.audit.models import AuditRecord

class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args): return None

def go_there(url):
    try:
        urllib.request.build_opener(Stay).open(url)
    except urllib.error.HTTPError as answer:
        return answer.headers["Location"]

def sign_in(client, tamper=lambda url: url, path="/accounts/oidc/sso/login/"):
    answer = client.post(path, {"next": "/hosts/"}, headers={"host": "127.0.0.1:8000"})
    if answer.status_code != 200:
        return answer
    assert "form-action 'self'" in answer["Content-Security-Policy"]
    url = unescape(re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', answer.content.decode())[1])
    back = tamper(go_there(url))
    return client.get(back.replace("http://127.0.0.1:8000", ""), headers={"host": "127.0.0.1:8000"})

def who(client):
    key = client.session.get("_auth_user_id")
    return User.objects.get(pk=key).username if key else None

def text(answer):
    return " ".join(answer.content.decode().split())
"""


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture
def run(provider: Provider, tmp_path: Path) -> Callable[..., Any]:
    """Run a script after FLOW in a process with the provider in its environment; what it prints last, as JSON."""

    def run(script: str, **more: str) -> Any:
        environment = os.environ | {
            "GUESTHOUSE_DATA_DIR": str(tmp_path),
            "GUESTHOUSE_DATABASE_URL": "",
            "GUESTHOUSE_OIDC_URL": provider.url,
            "GUESTHOUSE_OIDC_NAME": "House of Keys",
            "GUESTHOUSE_OIDC_CLIENT_ID": CLIENT,
            "GUESTHOUSE_OIDC_SECRET": SECRET,
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            **more,
        }
        done = subprocess.run(
            [sys.executable, "-c", FLOW + script],
            env=environment,
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_somebody_new_is_signed_in_may_nothing_and_is_the_same_the_next_time(run: Callable[..., Any]) -> None:
    found = run("""
first, again = Client(), Client()
answer = sign_in(first)
page = text(Client().get("/accounts/login/", headers={"host": "127.0.0.1:8000"}))
olga = User.objects.get()
User.objects.update(username="renamed")  # it is the subject that counts from now on
sign_in(again)
print(json.dumps({
    "to": answer["Location"], "who": who(again), "people": User.objects.count(), "first": olga.first_name,
    "password": olga.has_usable_password(), "super": olga.is_superuser, "button": "House of Keys" in page,
    "sees": "may see yet" in text(first.get("/guests/", headers={"host": "127.0.0.1:8000"})),
    "own": "no password here" in text(first.get("/accounts/password/change/", headers={"host": "127.0.0.1:8000"})),
    "record": list(AuditRecord.objects.order_by("id").values_list("action", "outcome", "user_name")),
}))
""")
    record = [["people.make", "ok", "single sign-on"], ["account.sign_in", "ok", "olga"]]
    assert found.pop("record") == [*record, ["account.sign_in", "ok", "renamed"]]
    assert found == {
        "to": "/hosts/",
        "who": "renamed",
        "people": 1,
        "first": "Olga",
        "password": False,
        "super": False,
        "button": True,
        "sees": True,
        "own": True,
    }


def test_a_name_from_elsewhere_is_not_enough_to_become_somebody(run: Callable[..., Any], provider: Provider) -> None:
    provider.claims["preferred_username"] = "admin"
    found = run("""
User.objects.create_superuser("admin", password="correct horse battery")
client = Client()
answer = sign_in(client)
print(json.dumps([answer.status_code, who(client), "a password of its own" in text(answer),
    list(AuditRecord.objects.values_list("action", "outcome", "user_name"))]))
""")
    assert found == [403, None, True, [["account.sign_in", "denied", "admin"]]]


def test_an_account_made_without_a_password_waits_for_whoever_signs_in_from_there(
    run: Callable[..., Any], provider: Provider
) -> None:
    found = run(
        """
olga = User.objects.create_user("olga")
first = Client()
sign_in(first)
print(json.dumps([who(first), User.objects.count()]))
""",
        GUESTHOUSE_SINGLE_SIGN_ON_MAKES_PEOPLE="0",
    )
    assert found == ["olga", 1]


@pytest.mark.parametrize(
    ("name", "words"), [("nobody", "ask an administrator"), ("", "ask an administrator"), ("a b<c>", "ask an admin")]
)
def test_who_has_no_account_is_refused_where_none_are_made(
    run: Callable[..., Any], provider: Provider, name: str, words: str
) -> None:
    provider.claims["preferred_username"] = name
    makes = "1" if name == "a b<c>" else "0"
    found = run(
        f"""
client = Client()
answer = sign_in(client)
print(json.dumps([answer.status_code, who(client), {words!r} in text(answer), User.objects.count()]))
""",
        GUESTHOUSE_SINGLE_SIGN_ON_MAKES_PEOPLE=makes,
    )
    assert found == [403, None, True, 0]


def test_a_foreign_state_a_used_code_a_disabled_account_and_a_silent_provider_sign_nobody_in(
    run: Callable[..., Any], provider: Provider
) -> None:
    found = run("""
outcomes = []
for tamper in (
    lambda url: re.sub("state=[^&]+", "state=made-up", url),
    lambda url: re.sub("code=[^&]+", "code=made-up", url),
    lambda url: url.replace("code=", "error=access_denied&was="),
):
    client = Client()
    answer = sign_in(client, tamper)
    outcomes.append([answer.status_code, who(client)])
used = []
client = Client()
sign_in(client, lambda url: used.append(url) or url)
client.post("/accounts/logout/", headers={"host": "127.0.0.1:8000"})
client.get(used[0].replace("http://127.0.0.1:8000", ""), headers={"host": "127.0.0.1:8000"})
outcomes.append(["used", who(client)])
User.objects.update(is_active=False)
client = Client()
sign_in(client)
outcomes.append(["disabled", who(client)])
outcomes.append([Client().get("/accounts/oidc/sso/login/", headers={"host": "127.0.0.1:8000"}).status_code, None])
outcomes.append([sign_in(Client(), path="/accounts/oidc/other/login/").status_code, None])
settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["settings"]["server_url"] = "http://127.0.0.1:9"
outcomes.append([sign_in(Client()).status_code, None])
print(json.dumps(outcomes))
""")
    assert found == [
        [403, None],
        [403, None],
        [403, None],
        ["used", None],
        ["disabled", None],
        [405, None],
        [404, None],
        [503, None],
    ]


@pytest.mark.parametrize(
    ("value", "words"), [("http://id.example.org", "plain http is for loopback only"), ("https://id.example.org", "")]
)
def test_a_provider_is_asked_over_tls(monkeypatch: pytest.MonkeyPatch, value: str, words: str) -> None:
    monkeypatch.setenv("GUESTHOUSE_OIDC_URL", value)
    if not words:
        assert env_url_with_extra("GUESTHOUSE_OIDC_URL", needs="jwt", package="x") == value
        return
    with pytest.raises(ImproperlyConfigured, match=words):
        env_url_with_extra("GUESTHOUSE_OIDC_URL", needs="jwt", package="x")


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUESTHOUSE_OIDC_URL", "https://id.example.org")
    with pytest.raises(ImproperlyConfigured, match=r"pip install 'django-allauth\[socialaccount\]'"):
        env_url_with_extra("GUESTHOUSE_OIDC_URL", needs="no_such_module", package="django-allauth[socialaccount]")
