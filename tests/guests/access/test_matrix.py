"""Assertion B1: what the code decides is what matrix.py says, for users and for groups."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.core.exceptions import PermissionDenied
from django.http import Http404

from guests.access import Action, guest_for, hosts_visible_to, may, role_on, visible_to
from guests.access.models import Grant, Role
from tests.guests.access.conftest import Site
from tests.guests.access.matrix import role_rows, scope_rows

pytestmark = pytest.mark.django_db
ROLES, SCOPES = role_rows(), scope_rows()
CASES = list(itertools.product(SCOPES, Role.values))


def give(site: Site, holder: User | Group, scope: str, role: str) -> None:
    on = {
        "everything": {"scope": "everything"},
        "host-alpha": {"scope": "host", "host": site.alpha},
        "tag-front": {"scope": "tag", "tag": site.front},
        "guest-web": {"scope": "guest", "guest": site.web},
    }
    if scope in on:
        Grant.objects.create(**{"group" if isinstance(holder, Group) else "user": holder}, role=role, **on[scope])


def test_every_role_and_every_action_stands_in_the_table() -> None:
    assert {role for role, _ in ROLES} == set(Role.values)
    assert {action for _, action in ROLES} == {action.value for action in Action}


@pytest.mark.parametrize("through_group", [False, True], ids=["user", "group"])
@pytest.mark.parametrize(("scope", "role"), CASES)
def test_B1_the_decisions_are_the_table(
    site: Site, user: Callable[..., User], scope: str, role: str, through_group: bool
) -> None:
    anna = user()
    holder: User | Group = anna
    if through_group:
        holder = Group.objects.create(name="night shift")
        anna.groups.add(holder)
        anna.groups.add(Group.objects.create(name="another"))
    give(site, holder, scope, role)
    covered, hosts, whole_site = SCOPES[scope]
    for action in Action:
        allowed = ROLES[role, action.value]
        expected = covered if allowed else set()
        assert set(visible_to(anna, action).values_list("name", flat=True)) == expected, action
        assert may(anna, action) == (allowed and whole_site), action
        for name in site.all:
            guest = getattr(site, name)
            assert may(anna, action, guest) == (name in expected), (action, name)
            assert anna.has_perm(f"guests.{action}", guest) == (name in expected), (action, name)
            if name not in covered:
                with pytest.raises(Http404):
                    guest_for(anna, guest.pk, action)
            elif allowed:
                assert guest_for(anna, guest.pk, action) == guest
            else:
                with pytest.raises(PermissionDenied):
                    guest_for(anna, guest.pk, action)
    assert set(hosts_visible_to(anna).values_list("name", flat=True)) == hosts
    for name in site.all:
        assert role_on(anna, getattr(site, name)) == (role if name in covered else None)


@pytest.mark.parametrize("action", list(Action))
def test_an_inactive_person_may_nothing_whatever_they_hold(
    site: Site, user: Callable[..., User], action: Action
) -> None:
    for anna in (user("anna", is_active=False), user("root", is_active=False, is_superuser=True)):
        give(site, anna, "everything", "administrator")
        assert not visible_to(anna, action).exists()
        assert not may(anna, action)
        assert not may(anna, action, site.web)
        assert not anna.has_perm(f"guests.{action}", site.web)
        assert not hosts_visible_to(anna).exists()
        assert role_on(anna, site.web) is None


@pytest.mark.parametrize("action", list(Action))
def test_an_anonymous_person_may_nothing(site: Site, action: Action) -> None:
    nobody = AnonymousUser()
    assert not visible_to(nobody, action).exists()
    assert not may(nobody, action)
    assert not may(nobody, action, site.web)
    assert not hosts_visible_to(nobody).exists()
    assert role_on(nobody, site.web) is None


@pytest.mark.parametrize("action", list(Action))
def test_a_superuser_may_everything(site: Site, user: Callable[..., User], action: Action) -> None:
    root = user("root", is_superuser=True)
    assert visible_to(root, action).count() == 3
    assert may(root, action)
    assert may(root, action, site.web)
    assert hosts_visible_to(root).count() == 2
    assert role_on(root, site.web) == Role.ADMINISTRATOR


def test_several_grants_add_up_and_the_highest_counts(site: Site, user: Callable[..., User]) -> None:
    anna = user()
    give(site, anna, "everything", "watcher")
    give(site, anna, "tag-front", "operator")
    give(site, anna, "guest-web", "administrator")
    assert role_on(anna, site.web) == Role.ADMINISTRATOR
    assert role_on(anna, site.far) == Role.OPERATOR
    assert role_on(anna, site.db) == Role.WATCHER
    assert visible_to(anna).count() == 3  # each guest once, however many grants cover it


def test_unknown_permissions_are_refused(site: Site, user: Callable[..., User]) -> None:
    anna = user()
    give(site, anna, "everything", "administrator")
    assert not anna.has_perm("guests.fly", site.web)
    assert not anna.has_perm("auth.add_user")
    with pytest.raises(ValueError, match="fly"):
        may(anna, "fly", site.web)
    with pytest.raises(ValueError, match="fly"):
        may(user("root", is_superuser=True), "fly", site.web)
