"""Home, health, language, sign-in, and every error as a page with an id."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from dashboard.errors import hypervisor_error_page
from guests.errors import DeviceBusy, GuestNotFound, HypervisorError, HypervisorUnreachable, OperationRefused
from guests.views import guest_list
from tests.guests.inventory_rows import make_host, person, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def anonymous() -> Client:
    return Client(HTTP_HOST="127.0.0.1")


def test_home_leads_to_the_guests_and_health_answers_everybody(anonymous: Client) -> None:
    assert signed_in(person("ada")).get("/")["Location"] == "/guests/"
    answer = anonymous.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_the_language_is_kept_in_a_cookie_and_leads_back_to_this_site_only(anonymous: Client) -> None:
    answer = anonymous.post("/i18n/language/", {"language": "pt-br", "next": "/accounts/login/"})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/")
    assert answer.cookies["guesthouse_language"].value == "pt-br"
    assert '<html lang="pt-br">' in anonymous.get("/accounts/login/").content.decode()
    assert anonymous.post("/i18n/language/", {"language": "en", "next": "//evil.example/"})["Location"] == "/"
    assert anonymous.post("/i18n/language/", {"language": "xx"}).status_code == 400
    assert anonymous.get("/i18n/language/").status_code == 405


def test_a_wrong_password_keeps_the_name_and_says_so(anonymous: Client) -> None:
    person("ada")
    answer = anonymous.post("/accounts/login/", {"login": "ada", "password": "a-wrong-one"})
    text = answer.content.decode()
    assert (
        answer.status_code == 200 and 'value="ada"' in text and 'role="alert"' in text and 'aria-invalid="true"' in text
    )
    assert "a-wrong-one" not in text


def test_the_right_password_opens_the_list(anonymous: Client) -> None:
    person("ada")
    answer = anonymous.post("/accounts/login/", {"login": "ada", "password": "a-long-password-1"})
    assert (answer.status_code, answer["Location"]) == (302, "/guests/")


@pytest.mark.parametrize("path", ["/accounts/password/change/", "/accounts/2fa/", "/accounts/sessions/"])
def test_account_pages_wear_the_product_s_frame(path: str) -> None:
    text = signed_in(person("ada")).get(path, follow=True).content.decode()
    assert 'href="/static/css/guesthouse' in text and "<h1" in text and "style=" not in text


def test_an_unknown_address_is_a_page_with_an_id_signed_in_or_not(anonymous: Client) -> None:
    for client in (anonymous, signed_in(person("ada"))):
        answer = client.get("/nowhere/")
        assert answer.status_code == 404
        assert re.search(r"<code>[0-9a-f]{12}</code>", answer.content.decode())


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (GuestNotFound("web-1 is gone."), 404),
        (HypervisorUnreachable("kvm-01 does not answer."), 503),
        (OperationRefused("web-1 is running.", detail="libvirt: code 55"), 409),
        (DeviceBusy("Somebody else holds it."), 409),
    ],
)
def test_hypervisor_errors_are_pages_and_show_libvirt_s_words_to_administrators_only(
    monkeypatch: pytest.MonkeyPatch, error: HypervisorError, status: int
) -> None:
    def broken(*args: object) -> None:
        raise error

    monkeypatch.setattr(guest_list.GuestListing, "__init__", broken)
    for superuser in (True, False):
        answer = signed_in(person(f"p{superuser}", superuser=superuser)).get("/guests/")
        text = answer.content.decode()
        assert answer.status_code == status and str(error) in text
        assert (bool(error.detail) and error.detail in text) is (bool(error.detail) and superuser)


def test_a_failure_is_a_page_without_database_and_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr(guest_list.GuestListing, "__init__", broken)
    client = signed_in(person("ada", superuser=True))
    client.raise_request_exception = False
    answer = client.get("/guests/")
    text = answer.content.decode()
    assert answer.status_code == 500 and "secret words" not in text and re.search(r"<code>[0-9a-f]{12}</code>", text)
    nonce = re.search(r"'nonce-([^']+)'", answer["Content-Security-Policy"])
    assert nonce and f'nonce="{nonce[1]}"' in text


def test_htmx_gets_a_refusal_as_one_sentence() -> None:
    request = RequestFactory().get("/", headers={"HX-Request": "true"})
    answer = hypervisor_error_page(request, OperationRefused("It is <running>."))
    assert answer.status_code == 409 and answer["Content-Type"].startswith("text/plain")
    assert answer.content.decode().startswith("It is <running>.")


def test_reading_pages_takes_the_write_lock_once_a_minute_at_most() -> None:
    client = signed_in(person("ada"))
    make_host()
    client.get("/hosts/")
    with CaptureQueriesContext(connection) as captured:
        client.get("/hosts/")
    assert [q["sql"] for q in captured if q["sql"].startswith(("UPDATE", "INSERT", "DELETE", "BEGIN"))] == []


def test_every_page_names_itself_and_carries_no_inline_style_or_handler() -> None:
    client = signed_in(person("ada", superuser=True))
    make_host()
    for path in ("/guests/", "/hosts/", "/hosts/kvm-01/", "/operations/", "/find/?q=x", "/accounts/2fa/"):
        text = client.get(path, follow=True).content.decode()
        assert re.search(r"<title>\s*\S+", text) and text.count("<h1") == 1, path
        assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", text), path
