"""Making, changing, publishing and deleting status pages: administrators of the whole site, and nobody else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboard.status.models import StatusPage
from guests import audit
from guests.access import Grant
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest, Host
from guests.resources import GuestState
from tests.dashboard.status.conftest import make_guest

pytestmark = pytest.mark.django_db
PATHS = ["/status/", "/status/new/", "/status/northbay/edit/"]
POSTS = ["/status/new/", "/status/northbay/edit/", "/status/northbay/publish/", "/status/northbay/delete/"]


def send(client: Client, path: str = "/status/new/", **fields: Any) -> Any:
    data = {"title": "Web", "slug": "web", "save": "1"}
    return client.post(path, {**data, **{name.replace("_", "-"): value for name, value in fields.items()}})


@pytest.fixture
def web(host: Host) -> Guest:
    return make_guest(host, "web", GuestState.RUNNING)


@pytest.fixture
def db1(host: Host) -> Guest:
    return make_guest(host, "db", GuestState.RUNNING)


def test_a_page_is_made_private_and_published_on_demand(maker: Client, client: Client, web: Guest) -> None:
    answer = send(maker, guest=[web.pk], **{f"label-{web.pk}": "The shop"})
    assert answer.status_code == 302
    assert client.get("/status/web/").status_code == 404
    maker.post("/status/web/publish/", {"published": "1"})
    assert "The shop" in client.get("/status/web/").content.decode()
    maker.post("/status/web/publish/", {"published": "0"})
    assert client.get("/status/web/").status_code == 404
    maker.post("/status/web/delete/")
    assert not StatusPage.objects.exists()
    assert Guest.objects.filter(pk=web.pk).exists()
    actions = list(
        AuditRecord.objects.filter(action__startswith="status.").order_by("id").values_list("action", "user_name")
    )
    assert actions == [(f"status.{verb}", "maker") for verb in ("make", "change", "change", "delete")]


def test_the_publish_box_publishes_at_once(maker: Client, client: Client, web: Guest) -> None:
    send(maker, guest=[web.pk], published="on")
    assert client.get("/status/web/").status_code == 200


def test_without_an_address_it_gets_one_that_nobody_guesses(maker: Client) -> None:
    send(maker, slug="")
    send(maker, slug="")
    first, second = (page.slug for page in StatusPage.objects.all())
    assert first != second
    assert re.fullmatch(r"[A-Za-z0-9_-]{24}", first)  # 144 bit
    assert maker.get(f"/status/{first}/edit/").status_code == 200
    assert first not in str(list(AuditRecord.objects.values()))


def test_rows_are_labelled_ordered_removed_and_added(maker: Client, client: Client, web: Guest, db1: Guest) -> None:
    fields = {
        f"label-{web.pk}": "Shop",
        f"label-{db1.pk}": "Data",
        f"position-{web.pk}": "2",
        f"position-{db1.pk}": "1",
    }
    send(maker, guest=[web.pk, db1.pk], published="on", **fields)
    labels = [guest["label"] for guest in client.get("/status/web/status.json").json()["guests"]]
    assert labels == ["Data", "Shop"]
    send(maker, "/status/web/edit/", guest=[web.pk, db1.pk], published="on", **fields, **{f"remove-{db1.pk}": "1"})
    assert [guest["label"] for guest in client.get("/status/web/status.json").json()["guests"]] == ["Shop"]
    send(maker, "/status/web/edit/", guest=[web.pk], add=[db1.pk], published="on", **fields)
    assert len(client.get("/status/web/status.json").json()["guests"]) == 2


def test_finding_guests_keeps_what_was_typed_and_saves_nothing(maker: Client, web: Guest, db1: Guest) -> None:
    answer = maker.post(
        "/status/new/", {"title": "Typed title", "slug": "typed", "find": "1", "words": "-db", "guest": [str(web.pk)]}
    )
    html = answer.content.decode()
    assert answer.status_code == 200
    assert "Typed title" in html
    assert f'value="{db1.pk}"' in html
    assert f'name="label-{web.pk}"' in html
    assert not StatusPage.objects.exists()


def test_guests_are_found_by_uuid_and_host(maker: Client, web: Guest, db1: Guest) -> None:
    for words, count in ((str(web.uuid), 1), (web.host.name, 2), ("nothing like it", 0)):
        html = maker.post("/status/new/", {"find": "1", "words": words}).content.decode()
        assert html.count('name="add"') == count, words


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"title": ""}, "This field is required"),
        ({"slug": "new"}, "This address is taken"),
        ({"slug": "a b/c"}, "valid"),
        ({"slug": "northbay"}, "already exists"),
        ({"guest": ["5f3c1b0e-0000-4000-8000-000000005999"]}, "not there any more"),
        ({"guest": ["../../etc/passwd"]}, "not there any more"),
    ],
)
def test_a_refused_form_says_why_keeps_what_was_typed_and_saves_nothing(
    maker: Client, page: StatusPage, fields: dict[str, Any], sentence: str
) -> None:
    answer = send(maker, **{"title": "Kept title", **fields})
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert "Kept title" in answer.content.decode() or fields.get("title") == ""
    assert StatusPage.objects.count() == 1


def test_a_guest_needs_a_label(maker: Client, web: Guest) -> None:
    answer = send(maker, guest=[web.pk], **{f"label-{web.pk}": "  "})
    assert answer.status_code == 422
    assert "Give this guest a label" in answer.content.decode()


@pytest.mark.parametrize("who", ["anonymous", "watcher", "operator", "administrator of one host"])
def test_B1_nobody_else_makes_status_pages(page: StatusPage, host: Host, who: str) -> None:
    client = Client()
    if who != "anonymous":
        user = User.objects.create_user("other")
        grants: dict[str, dict[str, Any]] = {
            "watcher": {"role": "watcher", "scope": "everything"},
            "operator": {"role": "operator", "scope": "everything"},
            "administrator of one host": {"role": "administrator", "scope": "host", "host": host},
        }
        Grant.objects.create(user=user, **grants[who])
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    expected = 302 if who == "anonymous" else 403
    for path in PATHS:
        assert client.get(path).status_code == expected, path
    for path in POSTS:
        assert send(client, path, title="Changed").status_code == expected, path
    assert client.get("/status/nosuchpage/edit/").status_code == expected
    page.refresh_from_db()
    assert page.published
    assert page.title == "Northbay platform"


def test_F6_a_page_that_cannot_be_recorded_is_not_made(maker: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(audit, "record", broken)
    maker.raise_request_exception = False
    assert send(maker).status_code == 500
    assert not StatusPage.objects.exists()


def test_the_list_shows_every_page_and_who_sees_it(maker: Client, page: StatusPage) -> None:
    html = maker.get("/status/").content.decode()
    assert "Northbay platform" in html
    assert "/status/northbay/" in html
    assert "Everybody" in html
