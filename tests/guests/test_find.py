"""/find/: any of the three identities leads to the guest."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.utils import timezone

from guests.access.models import Role
from guests.inventory.models import Host
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def host() -> Host:
    return make_host()


@pytest.fixture
def admin() -> Client:
    return signed_in(person("ada", superuser=True))


def test_name_id_and_uuid_lead_straight_to_the_guest(host: Host, admin: Client) -> None:
    guest = make_guest(host, "web-1", domain_id=7, uuid=uuid.uuid4())
    make_guest(host, "web-10", domain_id=70)
    for q in ("web-1", "7", str(guest.uuid), guest.uuid.hex, str(guest.pk)):
        response = admin.get("/find/", {"q": q})
        assert (response.status_code, response["Location"]) == (302, f"/guests/{guest.pk}/")


def test_several_matches_are_listed_with_their_hosts(host: Host, admin: Client) -> None:
    same = uuid.uuid4()
    make_guest(host, "web-1", uuid=same, conflict=True)
    make_guest(make_host("kvm-02"), "web-1", uuid=same, conflict=True)
    for q in ("web-1", str(same)):
        text = admin.get("/find/", {"q": q}).content.decode()
        assert "2 guests answer" in text and "kvm-01" in text and "kvm-02" in text and "same UUID" in text


def test_the_same_id_on_two_hosts_lists_both(host: Host, admin: Client) -> None:
    make_guest(host, "a", domain_id=3)
    make_guest(make_host("kvm-02"), "b", domain_id=3)
    assert "2 guests answer" in admin.get("/find/?q=3").content.decode()


def test_part_of_a_name_finds_where_no_name_is_the_same(host: Host, admin: Client) -> None:
    guest = make_guest(host, "database-1")
    assert admin.get("/find/?q=tabas")["Location"] == f"/guests/{guest.pk}/"


def test_an_id_that_no_longer_runs_says_so(host: Host, admin: Client) -> None:
    make_guest(host, "web-1", domain_id=None, state="shut-off")
    response = admin.get("/find/?q=12")
    assert response.status_code == 404 and "No guest runs with the id 12 now" in response.content.decode()


def test_a_guest_that_went_away_is_found_by_uuid_and_said_to_be_gone(host: Host, admin: Client) -> None:
    guest = make_guest(host, "old", domain_id=5, gone_at=timezone.now())
    assert "does not know it any more" in admin.get("/find/", {"q": str(guest.uuid)}).content.decode()
    assert admin.get("/find/?q=5").status_code == 404


def test_others_guests_are_not_found_and_look_like_nothing(host: Host) -> None:
    hidden = make_guest(host, "hidden", domain_id=9)
    user = person("wat")
    grant(user, Role.WATCHER, guest=make_guest(host, "mine"))
    client = signed_in(user)
    for q in ("hidden", "9", str(hidden.uuid)):
        response = client.get("/find/", {"q": q})
        assert response.status_code == 404 and "gh-name" not in response.content.decode()


@pytest.mark.parametrize("q", ["", " ", "\0", "9" * 300, "<script>", "٣"])
def test_odd_questions_get_a_page(admin: Client, q: str) -> None:
    response = admin.get("/find/", {"q": q})
    assert response.status_code in {200, 404} and "<script>alert" not in response.content.decode()
