"""F11: secrets that the product is given or makes are in no dump, `repr`, page, log, record or process's arguments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dashboard.serve import manage

ROOT = Path(__file__).parents[2]
# What an operator gives, each in a file.
GIVEN = {
    "GUESTHOUSE_SECRET_KEY": "given-1-" + "k" * 50,
    "GUESTHOUSE_SECRET_KEY_FALLBACKS": "given-2-" + "f" * 50,
    "GUESTHOUSE_ADMIN_PASSWORD": "given-3-correct horse battery",
    "GUESTHOUSE_LDAP_BIND_PASSWORD": "given-4-password of the directory",
}
# One process, because settings are read once. It prints what there is to look through, and the secrets that were made.
LIVE_A_LITTLE = """
import io, json, os, re, sys, django
django.setup()
from allauth.mfa.totp.internal.auth import TOTP
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import path
settings.STORAGES = {**settings.STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
call_command("migrate", verbosity=0)
call_command("firstrun", verbosity=0)
from consoles.models import Kind, Mode
from consoles.tickets import mint
from dashboard import urls
from guests.inventory.models import Guest, Host

password = os.environ["PASSWORD"]
pages = []
def take(answer):
    pages.append(answer.content.decode() + str(dict(answer.headers)))
    return answer
client = Client(raise_request_exception=False, headers={"host": "127.0.0.1:8000"})
take(client.post("/accounts/login/", {"login": "admin", "password": "made-0-a wrong password"}))
assert take(client.post("/accounts/login/", {"login": "admin", "password": password})).status_code == 302
take(client.post("/accounts/reauthenticate/", {"password": password}))
admin = User.objects.get()
from datetime import timedelta
from django.utils import timezone
from guests.access.tokens import Ability, make_token
_token, token = make_token(admin, "made", Ability.READ, timezone.now() + timedelta(days=1))
totp = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
TOTP.activate(admin, totp)
host = Host.objects.create(name="alpha", uri="test:///default")
import uuid
guest = Guest.objects.create(id=uuid.uuid4(), uuid=uuid.uuid4(), host=host, name="web-1", state="running")
ticket = mint(admin, client.session.session_key, guest, kind=Kind.VNC, mode=Mode.CONTROL)
def broken(request):
    held = [settings.SECRET_KEY, password, token, ticket, totp, settings.AUTH_LDAP_BIND_PASSWORD]
    raise RuntimeError(f"{len(held)} secrets are in this frame")
urls.urlpatterns.append(path("broken/", broken))
assert take(client.get("/broken/")).status_code == 500
take(client.get("/api/v1/guests", headers={"Authorization": f"Bearer {token}"}))
take(client.get("/api/v1/guests", headers={"Authorization": f"Bearer {token[:-1]}"}))
for address in ("/accounts/password/change/", "/accounts/tokens/", "/accounts/2fa/", "/accounts/people/", "/audit/",
                "/hosts/", "/hosts/alpha/", f"/guests/{guest.pk}/", "/metrics", "/no/such/page/"):
    take(client.get(address))
export = client.post("/audit/export/", {"form": "jsonl"})
dump = io.StringIO()
call_command("dumpdata", stdout=dump)
rows = [repr(row) + str(row) for model in apps.get_models() for row in model._default_manager.all()]
print(json.dumps({
    "made": {"token": token, "ticket": ticket, "totp": totp, "typed": "made-0-a wrong password", "password": password},
    "dump": dump.getvalue(), "repr": " ".join(rows), "pages": pages,
}))
"""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    data = tmp_path_factory.mktemp("secrets")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GUESTHOUSE_")}
    for name, secret in GIVEN.items():
        (data / name).write_text(secret + "\n")
        environment[f"{name}_FILE"] = str(data / name)
    environment |= {
        "GUESTHOUSE_DATA_DIR": str(data),
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "PASSWORD": GIVEN["GUESTHOUSE_ADMIN_PASSWORD"],
    }
    done = subprocess.run(
        [sys.executable, "-c", LIVE_A_LITTLE], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {"log": done.stderr, "secrets": {**GIVEN, **found["made"]}}


@pytest.mark.parametrize("where", ["dump", "repr", "pages", "log"])
def test_F11_no_secret_stands_in(lived: dict[str, Any], where: str) -> None:
    text = str(lived[where])
    assert len(text) > 20
    assert [name for name, secret in lived["secrets"].items() if secret in text] == []


def test_F11_what_was_looked_through_is_what_happened(lived: dict[str, Any]) -> None:
    """So that an empty dump or a page of an error does not pass for a clean one."""
    for word in ("account.sign_in", "token.make", "guests.apitoken", "consoles.ticket", "mfa.authenticator", "web-1"):
        assert word in lived["dump"]
    assert "web-1" in str(lived["pages"])
    assert "6 secrets are in this frame" in lived["log"]


def test_F11_the_supervisor_starts_its_processes_with_no_word_of_an_operators() -> None:
    for name in ("web", "consoleserver", "hostworker"):
        assert list(manage(name)) == [sys.executable, str(ROOT / "manage.py"), name]
