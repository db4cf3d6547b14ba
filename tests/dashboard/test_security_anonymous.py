"""A1, A2, A4, C6, C7: what people without an account get, on every URL and websocket there is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client

from consoles.routing import websocket_urlpatterns as console_routes
from consoles.vnc.handler import PATH
from dashboard.live import websocket_urlpatterns as live_routes
from tests.consoles.vnc.conftest import relay, rfb_server
from tests.dashboard.conftest import Site
from tests.dashboard.routes import ROUTES, SAMPLES, Route
from tests.guests.inventory_rows import person, signed_in

__all__ = ["relay", "rfb_server"]  # fixtures

# The only URLs that answer people without an account, and what each may say.
OPEN = {
    "accounts/login/",
    "accounts/logout/",  # sends nobody anywhere but home
    "accounts/inactive/",
    "api/v1/openapi.json",  # the same for everybody: nothing of the site is in it
    "healthz",
    "i18n/language/",
    "policy-report/",  # of browsers, which send it by themselves: a line of the log
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


Headers = list[tuple[bytes, bytes]]
Knock = Callable[[Headers], Awaitable[bool]]


@pytest.fixture
def knock(path: str, request: pytest.FixtureRequest, transactional_db: None) -> Knock:
    """Whether a handshake with these headers is let in, at that path, whichever process serves it."""
    if path == PATH:
        port = request.getfixturevalue("relay").port
        return lambda headers: sync_to_async(_let_in_by_the_console_server)(port, headers)
    return lambda headers: _let_in_by_the_web(path, headers)


async def _let_in_by_the_web(path: str, headers: Headers) -> bool:
    browser = WebsocketCommunicator(_application(), path, headers=headers)
    await browser.send_input({"type": "websocket.connect"})
    answer = await browser.receive_output(timeout=5)
    await browser.disconnect()
    return bool(answer["type"] == "websocket.accept")


def _let_in_by_the_console_server(port: int, headers: Headers) -> bool:
    upgrade = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-version", b"13")]
    upgrade += [(b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="), (b"sec-websocket-protocol", b"binary")]
    lines = [b": ".join(header) for header in (*upgrade, *headers)]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as browser:
        browser.sendall(b"\r\n".join([f"GET {PATH} HTTP/1.1".encode(), *lines, b"", b""]))
        answer = browser.recv(4096)
        while part := browser.recv(4096):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    let_in = head.startswith(b"HTTP/1.1 101 ")
    assert let_in or (head.startswith(b"HTTP/1.1 403 ") and body == b"Forbidden."), answer
    return let_in


def our_origin() -> str:
    return str(settings.ORIGINS[0])  # the console server of a test has a port, and so an origin, of its own


def cookie_of_a_person() -> str:
    return f"{settings.SESSION_COOKIE_NAME}={signed_in(person('ada')).cookies[settings.SESSION_COOKIE_NAME].value}"


EVERY_SOCKET = [*socket_paths(), PATH]


@pytest.mark.parametrize("path", EVERY_SOCKET)
async def test_A2_every_websocket_refuses_an_anonymous_handshake(knock: Knock) -> None:
    origin = (b"origin", our_origin().encode())
    for cookie in ("", f"{settings.SESSION_COOKIE_NAME}=", f"{settings.SESSION_COOKIE_NAME}=madeup"):
        assert not await knock([origin, (b"cookie", cookie.encode())]), cookie
    assert not await knock([origin])
    somebody = await sync_to_async(cookie_of_a_person)()
    assert await knock([origin, (b"cookie", somebody.encode())])
    await sync_to_async(Session.objects.all().delete)()
    assert not await knock([origin, (b"cookie", somebody.encode())])


def test_A2_every_kind_of_websocket_is_walked() -> None:
    assert "/ws/live/" in EVERY_SOCKET
    assert f"/ws/guests/{SAMPLES['guest_id']}/text/serial0/" in EVERY_SOCKET
    assert "/websockify" in EVERY_SOCKET


# {host} and {port} are ours: what differs is one part, or what reads like it.
FOREIGN = {
    "missing": [],
    "empty": [""],
    "null": ["null"],
    "another scheme": ["https://{host}:{port}"],
    "a websocket's scheme": ["ws://{host}:{port}"],
    "no scheme": ["{host}:{port}"],
    "another port": ["http://{host}:1"],
    "no port": ["http://{host}"],
    "the port and more": ["http://{host}:{port}0"],
    "another host": ["http://evil.example:{port}"],
    "another name of the host": ["http://127.1:{port}"],
    "a suffix": ["http://{host}:{port}.evil.example"],
    "a suffix of the host": ["http://{host}.evil.example:{port}"],
    "a prefix": ["http://evil-{host}:{port}"],
    "a person": ["http://{host}:{port}@evil.example"],
    "a person at ours": ["http://evil@{host}:{port}"],
    "a path": ["http://{host}:{port}/"],
    "ours in a path": ["http://evil.example/{host}:{port}"],
    "capitals": ["HTTP://{host}:{port}"],
    "two in one": ["http://{host}:{port}, http://{host}:{port}"],
    "ours and another": ["http://{host}:{port}", "http://evil.example"],
}


@pytest.mark.parametrize("path", EVERY_SOCKET)
async def test_C6_C7_a_signed_in_person_s_handshake_from_a_foreign_origin_is_refused(knock: Knock) -> None:
    cookie = (b"cookie", (await sync_to_async(cookie_of_a_person)()).encode())
    ours = urlsplit(our_origin())
    for what, origins in FOREIGN.items():
        claimed = [origin.format(host=ours.hostname, port=ours.port) for origin in origins]
        # The host that a page of that origin would ask for: it opens nothing either.
        host = (b"host", (urlsplit(claimed[-1]).netloc if claimed else ours.netloc).encode())
        assert not await knock([host, cookie, *((b"origin", origin.encode()) for origin in claimed)]), what
    assert await knock([(b"host", ours.netloc.encode()), cookie, (b"origin", our_origin().encode())])


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
    "policy": answer.headers["Content-Security-Policy"],
    "endpoints": answer.headers.get("Reporting-Endpoints"),
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


def test_D3_over_https_what_breaks_the_policy_is_reported_in_both_ways(production: dict[str, str]) -> None:
    assert {"report-uri /policy-report/", "report-to policy"} <= {
        part.strip() for part in production["policy"].split(";")
    }
    assert production["endpoints"] == 'policy="/policy-report/"'


def test_C7_a_foreign_host_header_is_refused(production: dict[str, int]) -> None:
    assert production["plain"] == 400


def test_the_deployment_checks_of_django_are_clean(production: dict[str, list[str]]) -> None:
    # W005, W021: subdomains and preloading are for the operator to choose; W008: the proxy redirects to https.
    chosen = ("security.W005", "security.W008", "security.W021")
    assert [check for check in production["checks"] if not any(code in check for code in chosen)] == []
