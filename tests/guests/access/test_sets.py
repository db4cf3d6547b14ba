"""Lists are one query, however many guests and grants there are; totals are those of the visible set (B4)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guests.access import Grant, hosts_visible_to, may, visible_to
from guests.inventory.models import Guest, Host, Tag
from tests.guests.access.conftest import Site, make_guest

pytestmark = pytest.mark.django_db


def test_any_list_is_one_query(
    site: Site, user: Callable[..., User], django_assert_num_queries: Callable[..., Any]
) -> None:
    anna, group = user(), Group.objects.create(name="g")
    anna.groups.add(group)
    for number in range(30):
        guest = make_guest(site.beta, f"guest-{number}")
        Grant.objects.create(user=anna, role="watcher", scope="guest", guest=guest)
    Grant.objects.create(group=group, role="watcher", scope="host", host=site.alpha)
    Grant.objects.create(group=group, role="operator", scope="tag", tag=site.front)
    for queryset in (visible_to(anna), visible_to(anna, "resize"), visible_to(anna).filter(name__contains="guest")):
        with django_assert_num_queries(1):
            list(queryset)
    with django_assert_num_queries(1):
        assert visible_to(anna).count() == 33
    with django_assert_num_queries(1):
        assert list(hosts_visible_to(anna)) == [site.alpha, site.beta]
    with django_assert_num_queries(1):
        may(anna, "resize", site.web)


_scopes = st.sampled_from(["everything", "host", "tag", "guest"])
_grants = st.lists(st.tuples(_scopes, st.integers(0, 5), st.sampled_from(["watcher", "operator", "administrator"])))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grants=_grants, seed=st.integers(0, 999))
def test_B4_lists_counts_and_totals_come_from_the_permitted_set_only(
    db: None, grants: list[tuple[str, int, str]], seed: int
) -> None:
    Grant.objects.all().delete()
    Guest.objects.all().delete()
    Host.objects.all().delete()
    Tag.objects.all().delete()
    User.objects.filter(username="anna").delete()
    chance = random.Random(seed)
    anna = User.objects.create_user("anna")
    hosts = [Host.objects.create(name=f"h{n}", uri="test:///default") for n in range(3)]
    tags = [Tag.objects.create(name=f"t{n}") for n in range(3)]
    guests = [make_guest(chance.choice(hosts), f"g{n}") for n in range(6)]
    for guest in guests:
        guest.current_kib = chance.randrange(1, 10**6)
        guest.save()
        guest.tags.set(chance.sample(tags, chance.randrange(3)))
    for scope, number, role in grants:
        on: dict[str, Any] = {
            "everything": {},
            "host": {"host": hosts[number % 3]},
            "tag": {"tag": tags[number % 3]},
            "guest": {"guest": guests[number]},
        }[scope]
        Grant.objects.get_or_create(user=anna, scope=scope, **on, defaults={"role": role})
    expected = [guest for guest in guests if may(anna, "see", guest)]
    assert set(visible_to(anna)) == set(expected)
    assert visible_to(anna).count() == len(expected)
    total = visible_to(anna).aggregate(total=Sum("current_kib"))["total"] or 0
    assert total == sum(guest.current_kib for guest in expected)
    assert {guest.host for guest in expected} <= set(hosts_visible_to(anna))
