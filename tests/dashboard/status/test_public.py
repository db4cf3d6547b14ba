"""What people without an account see, and nothing else (F13)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.status.models import StatusPage
from guests.access import Grant
from guests.inventory.models import Guest, Host
from tests.dashboard.status.conftest import SECRETS

pytestmark = pytest.mark.django_db
JSON_FIELDS = {
    "label", "state", "since", "last_seen_at", "cpu_percent", "memory_used_kib", "memory_current_kib"
}  # fmt: skip

# Every text of the page, as the shapes it may have: a new kind of text must be let in here.
TEXTS = [
    r"Northbay platform(, status)?",
    r"as of \d\d:\d\d:\d\d UTC · renewed every 10 s",
    r"This page could not be renewed; what it shows is old\.",
    r"Of the guests here, [a-z0-9, ]+",
    r"\d+ of \d+ run",
    r"Guests|State|Guest|CPU, last hour|Memory used of current",
    r"Running|Idle|Paused|In shutdown|Shut off|Crashed|Suspended|Unknown",
    r"Label [a-z-]+",
    r"for \d+ (s|min|h)|last seen \d+ (s|min|h) ago|never seen",
    r"\d+|%|–|\d+(\.\d)? [MG]iB|of \d+(\.\d)? [MG]iB",
    r"Made with Guesthouse|JSON",
]
ATTRIBUTES = {
    "lang", "charset", "name", "content", "rel", "type", "href", "src", "class", "id", "role", "hidden",
    "aria-hidden", "aria-label", "aria-labelledby", "viewbox", "preserveaspectratio", "d", "x", "y", "width", "height",
    "rx", "fill", "fill-opacity", "http-equiv", "data-renewed-seconds",
}  # fmt: skip


class Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.attributes: dict[str, set[str]] = {}
        self.comments: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value or "")

    def handle_data(self, data: str) -> None:
        if text := " ".join(data.split()):
            self.texts.append(text)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def read(html: str) -> Texts:
    parser = Texts()
    parser.feed(html)
    return parser


def test_F13_a_published_page_opens_without_an_account(client: Client, page: StatusPage) -> None:
    answer = client.get("/status/northbay/")
    assert answer.status_code == 200
    html = answer.content.decode()
    for word in ("Northbay platform", "Label running", "Crashed", "for 3 h", "1.0 GiB", "of 2.0 GiB", "22"):
        assert word in html
    assert "not-on-the-page" not in html


def test_F13_the_page_holds_only_texts_and_attributes_of_the_allow_list(client: Client, page: StatusPage) -> None:
    found = read(client.get("/status/northbay/").content.decode())
    strange = [text for text in found.texts if not any(re.fullmatch(shape, text) for shape in TEXTS)]
    assert strange == []
    assert set(found.attributes) <= ATTRIBUTES
    assert found.comments == []
    labels = found.attributes["aria-label"]
    assert all(re.fullmatch(r"CPU, last hour(, now \d+ %)?", label) for label in labels)


def test_F13_the_json_holds_only_fields_of_the_allow_list(client: Client, page: StatusPage) -> None:
    answer = client.get("/status/northbay/status.json").json()
    assert set(answer) == {"title", "as_of", "guests"}
    assert len(answer["guests"]) == 8
    for guest in answer["guests"]:
        assert set(guest) == JSON_FIELDS
    running = answer["guests"][0]
    assert (running["label"], running["state"]) == ("Label running", "running")
    assert (running["cpu_percent"], running["memory_used_kib"], running["memory_current_kib"]) == (
        22.4,
        1048576,
        2097152,
    )


@pytest.mark.parametrize("path", ["/status/northbay/", "/status/northbay/status.json"])
def test_F13_nothing_else_leaks(client: Client, page: StatusPage, path: str) -> None:
    answer = client.get(path)
    text = answer.content.decode() + str(answer.headers)
    for what, secret in SECRETS.items():
        assert secret not in text, what
    for guest in Guest.objects.all():
        assert str(guest.pk) not in text
        assert str(guest.uuid) not in text
        assert str(guest.host_id) not in text
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", text)
    assert "Set-Cookie" not in answer.headers
    assert not answer.cookies


@pytest.mark.parametrize("path", ["/status/northbay/", "/status/northbay/status.json"])
def test_F13_a_page_is_off_until_it_is_published(client: Client, page: StatusPage, path: str) -> None:
    page.published = False
    page.save()
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("ending", ["", "status.json"])
@pytest.mark.parametrize("who", ["anonymous", "stranger", "operator"])
def test_F13_unknown_and_private_pages_answer_alike(page: StatusPage, ending: str, who: str) -> None:
    page.published = False
    page.save()
    client = Client()
    if who != "anonymous":
        user = User.objects.create_user(who)
        if who == "operator":
            Grant.objects.create(user=user, role="operator", scope="everything")
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    client.get("/status/warm-up/" + ending)
    answers = []
    for slug in ("northbay", "nosuchpage"):
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(f"/status/{slug}/{ending}")
        headers = {k: re.sub(r"nonce-[^']+", "nonce", v) for k, v in answer.headers.items()}
        answers.append((answer.status_code, answer.content, headers, len(queries)))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


def test_a_maker_may_look_at_a_page_before_it_is_published(maker: Client, page: StatusPage) -> None:
    page.published = False
    page.save()
    answer = maker.get("/status/northbay/")
    assert answer.status_code == 200
    assert "A preview" in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/status/northbay/", "/status/northbay/status.json"])
def test_F13_answers_may_be_cached_ten_seconds(client: Client, page: StatusPage, path: str) -> None:
    answer = client.get(path)
    assert answer["Cache-Control"] == "public, max-age=10"
    assert {"Accept-Language", "Cookie"} <= set(answer["Vary"].replace(" ", "").split(","))
    assert "ETag" not in answer.headers


def test_that_there_is_no_page_is_not_kept(client: Client, page: StatusPage) -> None:
    assert client.get("/status/nosuchpage/")["Cache-Control"] == "no-store"


def test_two_queries_whatever_the_number_of_guests(
    client: Client, page: StatusPage, django_assert_num_queries: Callable[..., Any]
) -> None:
    with django_assert_num_queries(2):
        client.get("/status/northbay/")
    with django_assert_num_queries(2):
        client.get("/status/northbay/status.json")


@pytest.mark.parametrize(
    ("state", "age_s", "known"),
    [
        ("up", 0, True),
        ("degraded", 0, True),
        ("up", 3600, False),
        ("unreachable", 240, False),
        ("auth-failed", 5, False),
    ],
)
def test_a_host_that_does_not_answer_makes_its_guests_unknown_with_their_age(
    client: Client, page: StatusPage, host: Host, now: datetime, state: str, age_s: int, known: bool
) -> None:
    seen_at = now - timedelta(seconds=age_s)
    Host.objects.update(state=state, seen_at=seen_at)
    Guest.objects.update(seen_at=seen_at)
    guest = client.get("/status/northbay/status.json").json()["guests"][0]
    assert (guest["state"] == "running") is known
    html = client.get("/status/northbay/").content.decode()
    if not known:
        assert guest["cpu_percent"] is guest["memory_used_kib"] is guest["memory_current_kib"] is guest["since"] is None
        assert guest["last_seen_at"] == seen_at.isoformat(timespec="seconds")
        assert "last seen" in html
        assert "22" not in re.sub(r"<header.*?</header>", "", html, flags=re.DOTALL)


def test_a_guest_that_went_away_is_unknown(client: Client, page: StatusPage) -> None:
    Guest.objects.filter(name__endswith="-running").update(gone_at=timezone.now())
    assert client.get("/status/northbay/status.json").json()["guests"][0]["state"] == "unknown"


def test_memory_without_balloon_statistics_is_unknown_not_zero(client: Client, page: StatusPage) -> None:
    Guest.objects.update(usable_kib=None)
    assert client.get("/status/northbay/status.json").json()["guests"][0]["memory_used_kib"] is None
    assert "? <span" in client.get("/status/northbay/").content.decode()


def test_works_without_a_script(client: Client, page: StatusPage) -> None:
    html = client.get("/status/northbay/").content.decode()
    assert re.search(r'<noscript>\s*<meta http-equiv="refresh" content="10">\s*</noscript>', html)


def test_D7_a_hostile_label_is_inert(client: Client, page: StatusPage) -> None:
    page.title = page.slug + "<script>alert(1)</script>"
    page.save()
    page.rows.update(label="<img src=x onerror=alert(1)>")
    html = client.get("/status/northbay/").content.decode()
    assert "<img" not in html
    assert "<script>" not in html


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_can_be_sent_to_a_page(client: Client, page: StatusPage, method: str) -> None:
    for slug in ("northbay", "nosuchpage"):
        assert getattr(client, method)(f"/status/{slug}/").status_code == 405
