"""A1, A2, A4, C6: what people without an account get, on every URL and websocket there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from consoles.routing import websocket_urlpatterns as console_routes
from dashboard.live import websocket_urlpatterns as live_routes
from tests.dashboard.conftest import Site
from tests.dashboard.routes import ROUTES, SAMPLES, Route

# The only URLs that answer people without an account, and what each may say.
OPEN = {
    "accounts/login/",
    "accounts/logout/",  # sends nobody anywhere but home
    "accounts/inactive/",
    "api/v1/openapi.json",  # the same for everybody: nothing of the site is in it
    "healthz",
    "i18n/language/",
    "status/<slug:slug>/",
    "status/<slug:slug>/status.json",
    # Second steps of a sign-in; without the first they lead back to it.
    "accounts/2fa/authenticate/",
    "accounts/reauthenticate/",
    "accounts/2fa/webauthn/login/",  # a sign-in with a passkey
}


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_A1_every_url_except_an_allow_list_refuses_anonymous(site: Site, route: Route) -> None:
    client = Client(raise_request_exception=False)
    for answer in (client.get(route.path()), client.post(route.path())):
        to_sign_in = answer.status_code == 302 and answer["Location"].startswith("/accounts/login/")
        if route.pattern in OPEN:
            assert answer.status_code < 500
        elif route.is_api:
            allowed = answer.status_code == 401 and answer["WWW-Authenticate"].startswith("Bearer")
            assert allowed and answer.json()["error"]["code"] == "unauthorized", f"{route}: {answer.status_code}"
        else:
            assert to_sign_in or answer.status_code == 403, f"{route}: {answer.status_code}"
        assert "web-1" not in answer.content.decode()


def test_A1_the_allow_list_names_only_urls_that_exist() -> None:
    assert {route.pattern for route in ROUTES} >= OPEN


def test_A7_the_second_step_of_a_sign_in_leads_nowhere_without_the_first(site: Site) -> None:
    client = Client()
    for path in ("/accounts/2fa/authenticate/", "/accounts/2fa/reauthenticate/"):
        for answer in (client.get(path), client.post(path, {"code": "123456"})):
            assert answer.status_code == 302
            assert answer["Location"].startswith("/accounts/login/")
    assert "_auth_user_id" not in client.session


def _application() -> Any:
    from dashboard.asgi import application  # at its import the settings must be those of the tests

    return application


def socket_paths() -> list[str]:
    patterns = [str(route.pattern) for route in [*live_routes, *console_routes]]
    return [Route(pattern, "").path() for pattern in patterns]


ORIGIN = settings.ORIGINS[0]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", socket_paths())
async def test_A2_every_websocket_refuses_an_anonymous_handshake(path: str) -> None:
    for cookie in (b"", f"{settings.SESSION_COOKIE_NAME}=madeup".encode()):
        headers = [(b"origin", ORIGIN.encode()), (b"cookie", cookie)]
        socket = WebsocketCommunicator(_application(), path, headers=headers)
        connected, _ = await socket.connect(timeout=5)
        assert not connected
        await socket.disconnect()


def test_A2_every_kind_of_websocket_is_walked() -> None:
    assert "/ws/live/" in socket_paths()
    assert f"/ws/guests/{SAMPLES['guest_id']}/text/serial0/" in socket_paths()


FOREIGN = [
    None,
    "null",
    "",
    "https://127.0.0.1:8000",
    "http://127.0.0.1:8001",
    "http://127.0.0.1",
    "http://127.0.0.1:8000.evil.example",
    "http://127.0.0.1:8000@evil.example",
    "http://evil.example/127.0.0.1:8000",
    "http://evil.example",
    "http://localhost:8000/",
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", socket_paths())
@pytest.mark.parametrize("origin", FOREIGN)
async def test_C6_a_websocket_from_a_foreign_origin_is_refused(path: str, origin: str | None) -> None:
    headers = [(b"origin", origin.encode())] if origin is not None else []
    socket = WebsocketCommunicator(_application(), path, headers=[*headers, (b"host", b"127.0.0.1:8000")])
    connected, _ = await socket.connect(timeout=5)
    assert not connected
    await socket.disconnect()


IN_PRODUCTION = """
import json, django
django.setup()
from django.conf import settings
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
call_command("collectstatic", verbosity=0, interactive=False)
User.objects.create_user("anna", password="correct horse battery")
client = Client()
login = dict(secure=True, headers={"host": "guests.example"})
client.get("/accounts/login/", **login)
answer = client.post("/accounts/login/", {"login": "anna", "password": "correct horse battery"}, **login)
cookies = {**client.cookies}
print(json.dumps({
    "status": answer.status_code,
    "cookies": {name: {"length": len(morsel.OutputString()), **{k: str(v) for k, v in morsel.items()}}
                for name, morsel in cookies.items()},
    "hsts": answer.headers.get("Strict-Transport-Security"),
    "plain": Client().get("/accounts/login/", headers={"host": "evil.example"}).status_code,
    "checks": [str(check) for check in run_checks(include_deployment_checks=True)],
}))
"""


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a process with https origins answers: settings are read once, so it is a process of its own."""
    environment = {
        **os.environ,
        "GUESTHOUSE_URL": "https://guests.example",
        "GUESTHOUSE_DATA_DIR": str(tmp_path_factory.mktemp("production")),
        "GUESTHOUSE_DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", IN_PRODUCTION],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_A4_cookies_over_https_are_host_only_secure_and_small(production: dict[str, dict[str, dict[str, str]]]) -> None:
    assert production["status"] == 302  # type: ignore[comparison-overlap]
    cookies = production["cookies"]
    assert {"__Host-session", "__Host-csrf"} <= set(cookies)
    for name, cookie in cookies.items():
        assert name.startswith("__Host-"), name
        assert cookie["secure"] == "True"
        assert cookie["path"] == "/"
        assert cookie["domain"] == ""
        assert cookie["samesite"] in {"Lax", "Strict"}
        assert int(cookie["length"]) < 4096
    assert cookies["__Host-session"]["httponly"] == "True"


def test_D5_https_answers_carry_hsts(production: dict[str, str]) -> None:
    assert production["hsts"].startswith("max-age=31536000")


def test_C7_a_foreign_host_header_is_refused(production: dict[str, int]) -> None:
    assert production["plain"] == 400


def test_the_deployment_checks_of_django_are_clean(production: dict[str, list[str]]) -> None:
    # W005, W021: subdomains and preloading are for the operator to choose; W008: the proxy redirects to https.
    chosen = ("security.W005", "security.W008", "security.W021")
    assert [check for check in production["checks"] if not any(code in check for code in chosen)] == []
