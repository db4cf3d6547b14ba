"""Pictures of screens on pages: who sees them, with which age, and what stands there where there is none."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from guests.access.models import Role
from guests.inventory.changes import Feed, current_revision
from guests.inventory.models import Guest, Host, HostState
from guests.inventory.pictures import LookedAt, Picture, Problem
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\nnot really"


@pytest.fixture
def host() -> Host:
    return make_host(driver="QEMU")


@pytest.fixture
def admin() -> Client:
    return signed_in(person("ada", superuser=True))


def take(guest: Guest, **changes: Any) -> Picture:
    values = {"domain_id": guest.domain_id, "taken_at": timezone.now() - timedelta(seconds=8), "digest": "d1"}
    return Picture.objects.create(guest=guest, content=PNG, width=720, height=400, **(values | changes))


def shot(client: Client, guest: Guest) -> str:
    """The markup of a guest's screen, as a card of the list has it."""
    html = client.get("/guests/?view=cards").content.decode()
    return next(
        part for part in re.findall(r'<div class="gh-shot".*?</div>', html, re.S) if f'data-look="{guest.pk}"' in part
    )


def test_a_card_shows_the_picture_with_its_age_and_leads_to_the_console(host: Host, admin: Client) -> None:
    guest = make_guest(host, "<b>web</b>")
    take(guest)
    text = shot(admin, guest)
    assert f'src="/guests/{guest.pk}/picture/?v=d1"' in text and 'width="720" height="400"' in text
    assert 'alt="Screen of &lt;b&gt;web&lt;/b&gt;"' in text and "8 s ago" in text
    assert f'<a href="/guests/{guest.pk}/console/vnc/">' in text
    assert 'data-version="d1"' in text


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (Problem.UNSUPPORTED, "QEMU gives no screenshots"),
        (Problem.NO_SCREEN, "The guest has no screen"),
        (Problem.HANGS, "The guest does not answer its host"),
        (Problem.FAILED, "The host could not take it"),
    ],
)
def test_why_there_is_no_picture(host: Host, admin: Client, problem: Problem, words: str) -> None:
    guest = make_guest(host, "web-1")
    assert "No picture yet" in shot(admin, guest)
    Picture.objects.create(guest=guest, problem=problem)
    text = shot(admin, guest)
    assert "No picture" in text and words in text and "<img" not in text


def test_a_guest_that_is_off_or_was_started_anew_shows_no_picture_of_its_last_life(host: Host, admin: Client) -> None:
    off = make_guest(host, "off-1", state="shut-off")
    take(off, domain_id=3)
    assert "<span>Shut off</span>" in shot(admin, off) and "<img" not in shot(admin, off)
    again = make_guest(host, "web-1", domain_id=9)
    take(again, domain_id=3)
    assert "No picture yet" in shot(admin, again)
    crashed = make_guest(host, "ci-1", state="crashed")
    take(crashed, domain_id=3)
    assert "<img" in shot(admin, crashed)


def test_a_guest_of_a_silent_host_keeps_its_last_picture(admin: Client) -> None:
    silent = make_host("kvm-03", state=HostState.UNREACHABLE, seen_at=timezone.now() - timedelta(minutes=4))
    guest = make_guest(silent, "web-1")
    assert "The host does not answer" in shot(admin, guest)
    take(guest, taken_at=timezone.now() - timedelta(minutes=4))
    assert "4 min ago" in shot(admin, guest)
    assert 'class="gh-tile stale"' in admin.get("/guests/?view=cards").content.decode()


def test_a_picture_is_a_png_that_nobody_keeps(host: Host, admin: Client) -> None:
    guest = make_guest(host, "web-1")
    assert admin.get(f"/guests/{guest.pk}/picture/").status_code == 404
    take(guest)
    answer = admin.get(f"/guests/{guest.pk}/picture/")
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, PNG, "image/png")
    assert answer["Cache-Control"] == "no-store"


def test_a_picture_is_for_those_who_may_watch_the_guest(host: Host) -> None:
    mine, other = make_guest(host, "web-1"), make_guest(host, "db-1")
    take(mine)
    take(other)
    eva = person("eva")
    grant(eva, Role.WATCHER, guest=mine)
    client = signed_in(eva)
    assert client.get(f"/guests/{mine.pk}/picture/").status_code == 200
    assert client.get(f"/guests/{other.pk}/picture/").status_code == 404
    answer = client.post("/guests/pictures/", {"guest": [mine.pk, other.pk, uuid.uuid4(), "nonsense"]})
    assert re.findall(r'data-look="([^"]+)"', answer.content.decode()) == [str(mine.pk)]
    assert list(LookedAt.objects.values_list("pk", flat=True)) == [mine.pk]
    page = client.get(f"/guests/screens/?guest={mine.pk}&guest={other.pk}").content.decode()
    assert str(mine.pk) in page and str(other.pk) not in page
    assert "1 of the guests is not shown" in page
    assert "db-1" not in client.get("/guests/screens/").content.decode()


def test_looking_is_marked_and_told_to_the_worker_every_ten_seconds_at_most(host: Host, admin: Client) -> None:
    guest = make_guest(host, "web-1")
    assert admin.get("/guests/?view=cards").status_code == admin.get("/guests/pictures/").status_code - 205 == 200
    assert not LookedAt.objects.exists()  # reading a page changes nothing
    admin.post("/guests/pictures/", {"guest": guest.pk})
    first, revision = LookedAt.objects.get().at, current_revision(Feed.PICTURES)
    admin.post("/guests/pictures/", {"guest": guest.pk})
    assert (LookedAt.objects.get().at, current_revision(Feed.PICTURES)) == (first, revision)
    LookedAt.objects.update(at=first - timedelta(seconds=11))
    admin.post("/guests/pictures/", {"guest": guest.pk})
    assert LookedAt.objects.get().at > first
    assert current_revision(Feed.PICTURES) == revision + 1


def test_cards_are_the_same_list(host: Host, admin: Client) -> None:
    for name in ("web-1", "web-2", "db-1"):
        make_guest(host, name)
    make_guest(host, "web-off", state="shut-off")
    for query in ("?q=web", "?state=running", "?q=web&sort=-name", "?host=kvm-01&state=shut-off", "?pending=1"):
        names = []
        for view in ("", "&view=cards"):
            html = admin.get(f"/guests/{query}{view}").content.decode()
            names.append(re.findall(r'<a class="gh-name" href="/guests/[^"]+">([^<]*)</a>', html))
        assert names[0] == names[1], query
    html = admin.get("/guests/?q=web&view=cards").content.decode()
    assert 'href="/guests/?q=web&amp;state=running&amp;view=cards"' in html
    assert '<input type="hidden" form="find" name="view" value="cards">' in html
    assert 'data-list-url="/guests/?q=web&amp;view=cards"' in html


def test_cards_that_changed_come_as_cards(host: Host, admin: Client) -> None:
    guest = make_guest(host, "web-1")
    html = admin.get(f"/guests/rows/?view=cards&id={guest.pk}").content.decode()
    assert f'<ul id="changed" data-total="1"><li class="gh-tile" id="row-{guest.pk}"' in html


@pytest.mark.parametrize("path", ["/guests/?view=cards", "/guests/screens/", "/guests/pictures/"])
def test_more_guests_cost_no_more_queries_and_no_picture_is_read(host: Host, admin: Client, path: str) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            if path == "/guests/pictures/":
                admin.post(path, {"guest": list(Guest.objects.values_list("pk", flat=True))})
            else:
                admin.get(path)
        assert not [query for query in captured if '"content"' in query["sql"]]
        return len(captured)

    for number in range(2):
        take(make_guest(host, f"web-{number}"))
    cost()
    LookedAt.objects.all().delete()
    few = cost()
    for number in range(20):
        take(make_guest(host, f"db-{number}"))
    LookedAt.objects.all().delete()
    assert cost() == few


def test_a_wall_shows_what_was_chosen_in_that_order_with_each_state(host: Host, admin: Client) -> None:
    web, db = make_guest(host, "web-1"), make_guest(host, "db-1", state="paused")
    make_guest(host, "other-1")
    html = admin.get(f"/guests/screens/?guest={web.pk}&guest={db.pk}").content.decode()
    assert html.index(">web-1<") < html.index(">db-1<")
    assert "other-1" not in html and "2 screens" in html and "Paused" in html
    assert admin.get("/guests/screens/?q=nothing").content.decode().count("There is no guest to look at") == 1


def test_a_wall_has_an_end(host: Host, admin: Client) -> None:
    for number in range(38):
        make_guest(host, f"web-{number:02}")
    html = admin.get("/guests/screens/").content.decode()
    assert html.count("data-look=") == 36 and "A wall has at most 36 screens" in html


def test_the_guest_s_page_shows_its_screen(host: Host, admin: Client) -> None:
    guest = make_guest(host, "web-1")
    take(guest)
    html = admin.get(f"/guests/{guest.pk}/").content.decode()
    assert f"/guests/{guest.pk}/picture/?v=d1" in html and "8 s ago" in html
