"""How far a right to resize reaches (B11)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db import IntegrityError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guests.access import UNLIMITED, Grant, Limits, Role, grant, limits_on
from guests.audit.models import AuditRecord
from tests.guests.access.conftest import Site

pytestmark = pytest.mark.django_db
GIB = 1024 * 1024
NOTHING = Limits(0, 0)


def test_an_operator_s_limits_are_those_of_the_grant(site: Site, user: Callable[..., User]) -> None:
    anna = user()
    grant(Role.OPERATOR, anna, site.web, by=None, limits=Limits(4 * GIB, 2))
    assert limits_on(anna, site.web) == Limits(4 * GIB, 2)
    assert limits_on(anna, site.db) == NOTHING


def test_the_most_generous_grant_counts_for_each_of_the_two(site: Site, user: Callable[..., User]) -> None:
    anna, group = user(), Group.objects.create(name="g")
    anna.groups.add(group)
    grant(Role.OPERATOR, anna, site.web, by=None, limits=Limits(4 * GIB, 8))
    grant(Role.OPERATOR, group, site.alpha, by=None, limits=Limits(8 * GIB, 2))
    assert limits_on(anna, site.web) == Limits(8 * GIB, 8)
    grant(Role.OPERATOR, group, site.front, by=None, limits=Limits(memory_kib=GIB))
    assert limits_on(anna, site.web) == Limits(8 * GIB, None)
    grant(Role.WATCHER, group, by=None)
    assert limits_on(anna, site.web) == Limits(8 * GIB, None)


def test_administrators_have_no_limit_and_who_may_not_resize_has_nothing(site: Site, user: Callable[..., User]) -> None:
    anna, root = user(), user("root", is_superuser=True)
    assert limits_on(root, site.web) == UNLIMITED
    assert limits_on(anna, site.web) == limits_on(AnonymousUser(), site.web) == NOTHING
    grant(Role.WATCHER, anna, site.web, by=None)
    assert limits_on(anna, site.web) == NOTHING
    grant(Role.OPERATOR, anna, site.front, by=None, limits=Limits(GIB, 1))
    grant(Role.ADMINISTRATOR, anna, site.web, by=None)
    assert limits_on(anna, site.web) == UNLIMITED
    anna.is_active = False
    assert limits_on(anna, site.web) == NOTHING


@pytest.mark.parametrize("role", [Role.WATCHER, Role.ADMINISTRATOR])
def test_only_operators_have_limits(site: Site, user: Callable[..., User], role: Role) -> None:
    with pytest.raises(ValueError, match="only operators"):
        grant(role, user(), site.web, by=None, limits=Limits(GIB, 1))
    with pytest.raises(IntegrityError):
        Grant.objects.create(group=Group.objects.create(name="g"), role=role, scope="everything", largest_vcpus=1)


def test_new_limits_replace_the_old_and_both_are_recorded(site: Site, user: Callable[..., User]) -> None:
    anna = user()
    grant(Role.OPERATOR, anna, site.web, by=None, limits=Limits(4 * GIB, 2))
    grant(Role.OPERATOR, anna, site.web, by=None, limits=Limits(8 * GIB, None))
    grant(Role.OPERATOR, anna, site.web, by=None, limits=Limits(8 * GIB, None))
    assert Grant.objects.count() == 1
    first, second = AuditRecord.objects.order_by("id").values_list("detail__before", "detail__after")
    assert first == (None, "operator (at most 4.0 GiB, 2 vCPUs)")
    assert second == ("operator (at most 4.0 GiB, 2 vCPUs)", "operator (at most 8.0 GiB)")


_limit = st.none() | st.integers(1, 64)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(held=st.lists(st.tuples(_limit, _limit), min_size=1, max_size=4))
def test_B11_no_grant_narrows_another(site: Site, held: list[tuple[int | None, int | None]]) -> None:
    Grant.objects.all().delete()
    User.objects.all().delete()
    anna = User.objects.create_user("anna")
    objects = [None, site.alpha, site.front, site.web]
    for on, (memory_kib, vcpus) in zip(objects, held, strict=False):
        grant(Role.OPERATOR, anna, on, by=None, limits=Limits(memory_kib, vcpus))
    found = limits_on(anna, site.web)
    for mine, theirs in ((found.memory_kib, [h[0] for h in held]), (found.vcpus, [h[1] for h in held])):
        assert mine == (None if None in theirs else max(value for value in theirs if value is not None))
