"""D1, D3, D4, D5, D6, D8, F11, F14, F15: what every answer carries, and what no request can do."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.dashboard.conftest import Site
from tests.dashboard.failing_urls import SECRET
from tests.dashboard.routes import ROUTES

# Pages whose terminal needs style attributes: xterm.js places its rows with them.
TEXT_CONSOLES = {  # pages with a terminal on them
    "guests/consoles/",
    "guests/<uuid:guest_id>/console/text/",
    "guests/<uuid:guest_id>/console/text/<slug:device>/",
    "guests/<uuid:guest_id>/console/text/<slug:device>/log/",
    "guests/<uuid:guest_id>/console/vnc/",  # the text console may be put beside the screen
}
FAILING = "tests.dashboard.failing_urls"
# Written by GET, and no state of the product: when somebody was last seen, and a session's expiry.
BOOKKEEPING = ("usersessions_usersession", "django_session", "last_login")


def policy_of(answer: HttpResponse) -> dict[str, list[str]]:
    parts = [part.split() for part in answer["Content-Security-Policy"].split(";") if part.strip()]
    return {name: values for name, *values in parts}


def check_policy(answer: HttpResponse, *, text_console: bool = False) -> None:
    policy = policy_of(answer)
    assert policy["default-src"] == ["'none'"]
    for directive in ("frame-ancestors", "base-uri", "object-src"):
        assert policy[directive] == ["'none'"]
    assert policy["form-action"] == ["'self'"]
    assert policy["report-uri"] == ["/policy-report/"]
    for directive, values in policy.items():
        if text_console and directive == "style-src-attr":
            assert values == ["'unsafe-inline'"]
            continue
        for value in values:
            assert "unsafe" not in value, (directive, value)
            assert "*" not in value, (directive, value)
            assert not value.startswith("http"), (directive, value)


def check_headers(answer: HttpResponse) -> None:
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] in {"same-origin", "no-referrer"}
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer["X-Frame-Options"] == "DENY"
    assert "camera=()" in answer["Permissions-Policy"]
    assert re.search(r"clipboard-write=\((self)?\)", answer["Permissions-Policy"])


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("who", ["anonymous", "root", "stranger"])
def test_D3_D5_every_answer_carries_the_policy_and_the_headers(site: Site, who: str, method: str) -> None:
    for route in ROUTES:
        answer = getattr(site.client(who, raise_request_exception=False), method)(route.path())
        assert answer.status_code != 500, route
        check_policy(answer, text_console=route.pattern in TEXT_CONSOLES)
        check_headers(answer)
        if not route.pattern.startswith(("status/<slug:slug>/", "healthz")) or answer.status_code >= 500:
            assert "no-store" in answer["Cache-Control"], answer["Cache-Control"]


def test_D5_pages_that_copy_nothing_may_not_write_to_the_clipboard(site: Site) -> None:
    client = site.client("root")
    guest = f"/guests/{site.web.pk}/"
    for path in (guest, f"{guest}definition/", f"{guest}console/text/", "/accounts/tokens/"):
        assert "clipboard-write=(self)" in client.get(path)["Permissions-Policy"], path
    for path in ("/hosts/", "/accounts/people/", "/audit/", "/no/such/page/"):
        assert "clipboard-write=()" in client.get(path)["Permissions-Policy"], path
    assert "clipboard-write=()" in site.client("anonymous").get("/accounts/login/")["Permissions-Policy"]


@pytest.mark.urls(FAILING)
@pytest.mark.parametrize(
    ("path", "status"), [("/broken/", 500), ("/refused/", 409), ("/unreachable/", 503), ("/nothing/here/", 404)]
)
@pytest.mark.parametrize("who", ["anonymous", "root"])
def test_D3_D5_errors_carry_them_too(site: Site, path: str, status: int, who: str) -> None:
    answer = site.client(who, raise_request_exception=False).get(path)
    if who == "root" or status == 404:
        assert answer.status_code == status
    check_policy(answer)
    check_headers(answer)
    assert "no-store" in answer["Cache-Control"]


def test_D3_D5_a_bad_host_and_a_failed_csrf_check_carry_them_too(site: Site) -> None:
    foreign = Client(raise_request_exception=False).get("/", headers={"host": "evil.example"})
    forged = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "a", "password": "b"})
    assert (foreign.status_code, forged.status_code) == (400, 403)
    for answer in (foreign, forged):
        check_policy(answer)
        check_headers(answer)


def test_D4_a_nonce_is_used_once_and_stands_in_the_policy(site: Site) -> None:
    client = site.client("root")
    nonces = []
    for _ in range(2):
        answer = client.get("/guests/")
        (nonce,) = re.findall(r"'nonce-([^']+)'", " ".join(policy_of(answer)["script-src"]))
        assert set(re.findall(r'nonce="([^"]*)"', answer.content.decode())) == {nonce}
        nonces.append(nonce)
    assert nonces[0] != nonces[1]
    assert len(nonces[0]) >= 16


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("who", ["anonymous", "root"])
def test_D1_nothing_unsafe_goes_without_a_csrf_token(site: Site, who: str, method: str) -> None:
    client = site.client(who, enforce_csrf_checks=True)
    for route in ROUTES:
        for headers in ({}, {"HX-Request": "true"}):
            refused = 401 if route.is_api else 403  # a token is in no cookie: no other site can send it
            if route.name == "policy-report":  # browsers send none; it changes nothing (test_policy_reports.py)
                refused = 415 if method == "post" else 405
            assert getattr(client, method)(route.path(), headers=headers).status_code == refused, route


@pytest.mark.parametrize("who", ["anonymous", "root"])
def test_D1_get_and_head_change_nothing(site: Site, who: str) -> None:
    """But that something was taken out is recorded: a browser that goes on with a download has GET only."""
    client = site.client(who, raise_request_exception=False)
    for route, method in itertools.product(ROUTES, (client.get, client.head)):
        with CaptureQueriesContext(connection) as queries:
            answer = method(route.path())
        assert answer.status_code != 500, route
        is_download = route.name in {"download-volume", "download-definition"} and method == client.get
        bookkeeping = (*BOOKKEEPING, *(("guests_auditrecord", "guests_auditlink") if is_download else ()))
        written = [
            query["sql"]
            for query in queries
            if re.match(r"(INSERT|UPDATE|DELETE|REPLACE)", query["sql"])
            and not any(w in query["sql"] for w in bookkeeping)
        ]
        assert written == [], route


ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "https://evil.example/",
    "http:evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "/%5cevil.example",
    "javascript:alert(1)",
    " //evil.example",
    "\t//evil.example",
    "https://testserver@evil.example/",
    "https://testserver.evil.example/",
]


def _goes_elsewhere(answer: Any) -> bool:
    target = answer.headers.get("Location", "") + answer.headers.get("HX-Redirect", "")
    return bool(target) and not re.match(r"/(?![/\\])[^\t\r\n]*$", target)


@pytest.mark.parametrize("target", ELSEWHERE)
def test_D6_no_redirect_leads_elsewhere(site: Site, target: str) -> None:
    secret = "correct horse battery"
    for htmx in ({}, {"HX-Request": "true"}):
        sent = Client().post("/accounts/login/", {"login": "root", "password": secret, "next": target}, headers=htmx)
        assert not _goes_elsewhere(sent), sent.headers["Location"]
        asked = Client().post(
            "/accounts/login/", {"login": "root", "password": secret}, query_params={"next": target}, headers=htmx
        )
        assert not _goes_elsewhere(asked), asked.headers["Location"]
        language = Client().post("/i18n/language/", {"language": "en", "next": target}, headers=htmx)
        assert not _goes_elsewhere(language), language.headers["Location"]
        out = site.client("root").post("/accounts/logout/", {"next": target}, headers=htmx)
        assert not _goes_elsewhere(out), out.headers["Location"]
        bulk = site.client("root").post(
            "/guests/bulk/", {"kind": "shut_down", "guest": [], "key": "k", "next": target}, headers=htmx
        )
        assert not _goes_elsewhere(bulk)


@pytest.mark.parametrize("path", ["//evil.example/", "///evil.example", "/\\evil.example", "//evil.example/guests"])
def test_D6_a_path_with_two_slashes_is_no_redirect(site: Site, path: str) -> None:
    answer = site.client("root").get(path)
    assert not _goes_elsewhere(answer), answer.headers.get("Location")


@pytest.mark.urls(FAILING)
def test_F11_an_error_page_shows_no_secret_and_has_an_id(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    for who in ("root", "stranger"):
        answer = site.client(who, raise_request_exception=False).get("/broken/")
        html = answer.content.decode()
        assert answer.status_code == 500
        assert SECRET not in html
        assert "Traceback" not in html
        (error_id,) = set(re.findall(r"<code>([0-9a-f]{12})</code>", html))
        assert any(error_id in record.getMessage() for record in caplog.records)


@pytest.mark.urls(FAILING)
@pytest.mark.parametrize(("path", "words"), [("/refused/", "is shut off"), ("/unreachable/", "does not answer")])
def test_F15_libvirts_own_words_are_for_administrators_only(site: Site, path: str, words: str) -> None:
    for who in ("stranger", "watcher", "operator"):
        html = site.client(who).get(path).content.decode()
        assert words in html
        assert "/srv/secret" not in html
        assert re.search(r"<code>[0-9a-f]{12}</code>", html)
    assert "/srv/secret" in site.client("root").get(path).content.decode()


def test_F14_liveness_says_only_ok(client: Client, db: None) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_D8_htmx_is_hardened_on_every_page(site: Site) -> None:
    html = site.client("root").get("/guests/").content.decode()
    config = re.search(r"""name="htmx-config"\s+content='([^']*)'""", html)
    assert config
    for setting in (
        '"allowEval":false',
        '"allowScriptTags":false',
        '"includeIndicatorStyles":false',
        '"selfRequestsOnly":true',
        '"historyCacheSize":0',
    ):
        assert setting in config[1].replace(" ", ""), setting
