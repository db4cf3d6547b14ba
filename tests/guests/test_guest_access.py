"""A guest's tab "Access": who can do what here and why; giving, taking, tags (B5, B9)."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from guests.access import Grant, Limits, Role, limits_on, may, role_on
from guests.access import grant as give
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest, Host, Tag
from tests.guests.inventory_rows import GIB, make_guest, make_host, person, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def host() -> Host:
    return make_host("atlas")


@pytest.fixture
def web(host: Host) -> Guest:
    return make_guest(host, "web-1")


@pytest.fixture
def ada(web: Guest) -> User:
    """Administrator of web-1 and of nothing else."""
    ada = person("ada")
    give(Role.ADMINISTRATOR, ada, web, by=None)
    return ada


def url(guest: Guest, rest: str = "access/") -> str:
    return f"/guests/{guest.pk}/{rest}"


def text_of(response: HttpResponse) -> str:
    return " ".join(response.content.decode().split())


def send(client: Client, guest: Guest, **fields: Any) -> HttpResponse:
    sent = {"kind": "user", "name": "bob", "role": "operator", "on": "guest"} | fields
    return client.post(url(guest, "access/give/"), sent)  # type: ignore[return-value]


def test_an_administrator_sees_who_can_do_what_and_why(web: Guest, host: Host, ada: User) -> None:
    root, bob, group = person("root", superuser=True), person("bob"), Group.objects.create(name="night shift")
    bob.groups.add(group)
    web.tags.add(Tag.objects.create(name="front"))
    give(Role.WATCHER, bob, host, by=root)
    give(Role.OPERATOR, group, Tag.objects.get(), by=root, limits=Limits(8 * GIB, 4))
    give(Role.WATCHER, person("stranger"), make_guest(host, "other"), by=root)
    page = text_of(signed_in(ada).get(url(web)))
    assert "operator on tag front, through group night shift" in page
    assert "watcher on host atlas" in page
    assert "at most 8.0 GiB and 4 vCPUs" in page
    assert "superuser: everything, without a grant" in page
    assert "administrator on guest web-1" in page
    assert "stranger" not in page


def test_others_see_what_they_hold_themselves_and_nobody_else(web: Guest, host: Host, ada: User) -> None:
    bob = person("bob")
    give(Role.OPERATOR, bob, host, by=None, limits=Limits(vcpus=2))
    page = text_of(signed_in(bob).get(url(web)))
    assert "operator on host atlas" in page
    assert "at most 2 vCPUs" in page
    assert "ada" not in page
    assert "Give a role" not in page
    assert signed_in(person("carl")).get(url(web)).status_code == 404


def test_the_number_of_queries_does_not_grow_with_people_and_grants(web: Guest, host: Host, ada: User) -> None:
    from django.db import connection

    client, counts = signed_in(ada), []
    for number in range(2):
        for n in range(number * 10):
            one, group = person(f"p{n}"), Group.objects.create(name=f"g{n}")
            one.groups.add(group)
            give(Role.WATCHER, one, web, by=None)
            give(Role.OPERATOR, group, web, by=None)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(url(web)).status_code == 200
        counts.append(len(queries))
    assert counts[1] <= counts[0] + 1  # members of groups, where there are any


def test_gives_and_takes_a_role_and_both_are_recorded(web: Guest, ada: User) -> None:
    bob = person("bob")
    client = signed_in(ada)
    assert send(client, web, largest_memory="2 GiB", largest_vcpus="2").status_code == 302
    assert role_on(bob, web) == Role.OPERATOR
    assert limits_on(bob, web) == Limits(2 * GIB, 2)
    assert "bob: operator on guest web-1" in text_of(client.get(url(web)))
    found = Grant.objects.get(user=bob)
    assert found.granted_by == ada
    assert client.post(url(web, f"access/{found.pk}/take/")).status_code == 302
    assert role_on(bob, web) is None
    lines = (
        AuditRecord.objects.filter(user_name="ada", action__startswith="access")
        .order_by("id")
        .values_list("action", "outcome")
    )
    assert list(lines) == [("access.grant", "ok"), ("access.revoke", "ok")]


def test_gives_a_role_to_a_group(web: Guest, ada: User) -> None:
    bob, group = person("bob"), Group.objects.create(name="ops")
    bob.groups.add(group)
    assert send(signed_in(ada), web, kind="group", name="ops", role="watcher").status_code == 302
    assert role_on(bob, web) == Role.WATCHER


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "nobody"}, "There is nobody of this name."),
        ({"kind": "group", "name": "bob"}, "There is no group of this name."),
        ({"role": "king"}, "king is not one of the available choices"),
        ({"role": "watcher", "largest_memory": "2 GiB"}, "Only operators have limits"),
        ({"largest_memory": "much"}, "Type a number"),
        ({"largest_vcpus": "0"}, "greater than or equal to 1"),
        ({"on": "host"}, "host is not one of the available choices"),
        ({"on": "everything"}, "everything is not one of the available choices"),
    ],
)
def test_refuses_at_its_field_and_keeps_what_was_typed(
    web: Guest, ada: User, fields: dict[str, str], words: str
) -> None:
    person("bob")
    answer = send(signed_in(ada), web, **fields)
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert not Grant.objects.filter(user__username="bob").exists()


@pytest.mark.parametrize("role", [Role.WATCHER, Role.OPERATOR])
def test_B5_who_is_no_administrator_gives_takes_and_tags_nothing(web: Guest, host: Host, ada: User, role: Role) -> None:
    bob = person("bob")
    give(role, bob, by=None)  # on everything: wide, but not high
    client = signed_in(bob)
    kept = Grant.objects.get(user=ada)
    assert send(client, web, name="bob", role="administrator").status_code == 403
    assert client.post(url(web, f"access/{kept.pk}/take/")).status_code == 403
    assert client.post(url(web, "tags/"), {"tags": "front"}).status_code == 403
    assert role_on(bob, web) == role
    assert set(Grant.objects.values_list("pk", flat=True)) == {kept.pk, Grant.objects.get(user=bob).pk}
    assert not Tag.objects.exists()


def test_B5_an_administrator_of_a_guest_does_not_reach_beyond_it(web: Guest, host: Host, ada: User) -> None:
    other, client = make_guest(host, "other"), signed_in(ada)
    wide = give(Role.WATCHER, person("bob"), host, by=None)
    foreign = give(Role.WATCHER, person("carl"), other, by=None)
    assert client.post(url(web, f"access/{wide.pk}/take/")).status_code == 403  # it reaches other guests, too
    assert client.post(url(web, f"access/{foreign.pk}/take/")).status_code == 404
    assert client.post(url(other, "tags/"), {"tags": "front"}).status_code == 404
    assert send(client, other).status_code == 404
    assert Grant.objects.filter(pk__in=[wide.pk, foreign.pk]).count() == 2
    assert AuditRecord.objects.get(action="access.revoke").outcome == "denied"
    page = client.get(url(web)).content.decode()
    assert f"access/{wide.pk}/take/" not in page


def test_an_administrator_of_the_host_may_give_on_all_of_it(web: Guest, host: Host) -> None:
    eva, bob = person("eva"), person("bob")
    give(Role.ADMINISTRATOR, eva, host, by=None)
    assert send(signed_in(eva), web, on="host", role="watcher").status_code == 302
    assert may(bob, "see", make_guest(host, "later"))


def test_whoever_takes_their_own_role_away_is_led_to_the_list(web: Guest, ada: User) -> None:
    own = Grant.objects.get(user=ada)
    answer = signed_in(ada).post(url(web, f"access/{own.pk}/take/"))
    assert answer["Location"] == "/guests/"


def test_tags_are_set_recorded_and_carry_their_roles(web: Guest, ada: User) -> None:
    bob = person("bob")
    front = Tag.objects.create(name="front")
    give(Role.WATCHER, bob, front, by=None)
    client = signed_in(ada)
    assert client.post(url(web, "tags/"), {"tags": "front, new-one"}).status_code == 302
    assert list(web.tags.values_list("name", flat=True)) == ["front", "new-one"]
    assert may(bob, "see", web)
    assert client.post(url(web, "tags/"), {"tags": "new-one"}).status_code == 302
    assert not may(bob, "see", web)
    first, second = AuditRecord.objects.filter(action="guest.tags").order_by("id").values_list("detail", flat=True)
    assert first == {"before": [], "after": ["front", "new-one"]}
    assert second == {"before": ["front", "new-one"], "after": ["new-one"]}


@pytest.mark.parametrize("typed", ["não", "a/b", "<b>", "x" * 41, " ".join(f"t{n}" for n in range(21))])
def test_what_cannot_be_a_tag_is_refused_and_stays_in_the_field(web: Guest, ada: User, typed: str) -> None:
    answer = signed_in(ada).post(url(web, "tags/"), {"tags": typed})
    assert answer.status_code == 422
    assert "tag" in text_of(answer)
    assert not Tag.objects.exists()


def test_the_list_shows_tags_and_filters_by_them(web: Guest, host: Host, ada: User) -> None:
    make_guest(host, "db-1").tags.add(Tag.objects.create(name="back"))
    plain = make_guest(host, "plain")
    web.tags.add(Tag.objects.create(name="front"))
    root = signed_in(person("root", superuser=True))
    page = text_of(root.get("/guests/"))
    assert '<span class="gh-tag">front</span>' in page
    assert "?tag=back" in page
    found = text_of(root.get("/guests/?tag=front"))
    assert "web-1" in found
    assert "db-1" not in found
    assert f"/guests/{plain.pk}/" not in found
    assert "1 of 1 guests" in found
    seen = text_of(signed_in(ada).get("/guests/"))
    assert "front" in seen
    assert "back" not in seen  # B4: chips know only what one may see
