"""Assertion B1: what the code decides is what matrix.py says, for users and for groups."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, User
from django.core.exceptions import PermissionDenied
from django.http import Http404

from guests.access import (
    Action,
    guest_for,
    hosts_held,
    hosts_visible_to,
    may,
    may_on,
    may_somewhere,
    role_on,
    visible_to,
)
from guests.access.models import Grant, Role
from tests.guests.access.conftest import Site, make_guest
from tests.guests.access.matrix import Covered, role_rows, scope_rows

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


def check_whole(site: Site, person: AbstractBaseUser | AnonymousUser, action: Action, covered: Covered) -> None:
    """On hosts and tags as a whole, and whether there is anything at all."""
    for host in (site.alpha, site.beta):
        assert may_on(person, action, host) == (host.name in covered.whole_hosts), (action, host)
    for tag in (site.front, site.spare):
        assert may_on(person, action, tag) == (tag.name in covered.whole_tags), (action, tag)
    assert set(hosts_held(person, action).values_list("name", flat=True)) == covered.whole_hosts, action
    assert may_somewhere(person, action) == bool(covered.guests), action


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
    covered = SCOPES[scope]
    for action in Action:
        allowed = ROLES[role, action.value]
        expected = covered.guests if allowed else set()
        assert set(visible_to(anna, action).values_list("name", flat=True)) == expected, action
        assert may(anna, action) == (allowed and covered.whole_site), action
        check_whole(site, anna, action, covered if allowed else SCOPES["nothing"])
        for name in site.all:
            guest = getattr(site, name)
            assert may(anna, action, guest) == (name in expected), (action, name)
            assert anna.has_perm(f"guests.{action}", guest) == (name in expected), (action, name)
            if name not in covered.guests:
                with pytest.raises(Http404):
                    guest_for(anna, guest.pk, action)
            elif allowed:
                assert guest_for(anna, guest.pk, action) == guest
            else:
                with pytest.raises(PermissionDenied):
                    guest_for(anna, guest.pk, action)
    assert set(hosts_visible_to(anna).values_list("name", flat=True)) == covered.hosts_seen
    for name in site.all:
        assert role_on(anna, getattr(site, name)) == (role if name in covered.guests else None)


@pytest.mark.parametrize("action", list(Action))
def test_an_inactive_person_may_nothing_whatever_they_hold(
    site: Site, user: Callable[..., User], action: Action
) -> None:
    for anna in (user("anna", is_active=False), user("root", is_active=False, is_superuser=True)):
        give(site, anna, "everything", "administrator")
        assert not visible_to(anna, action).exists()
        assert not may(anna, action)
        assert not may(anna, action, site.web)
        check_whole(site, anna, action, SCOPES["nothing"])
        assert not anna.has_perm(f"guests.{action}", site.web)
        assert not hosts_visible_to(anna).exists()
        assert role_on(anna, site.web) is None


@pytest.mark.parametrize("action", list(Action))
def test_an_anonymous_person_may_nothing(site: Site, action: Action) -> None:
    nobody = AnonymousUser()
    assert not visible_to(nobody, action).exists()
    assert not may(nobody, action)
    assert not may(nobody, action, site.web)
    check_whole(site, nobody, action, SCOPES["nothing"])
    assert not hosts_visible_to(nobody).exists()
    assert role_on(nobody, site.web) is None


@pytest.mark.parametrize("action", list(Action))
def test_a_superuser_may_everything(site: Site, user: Callable[..., User], action: Action) -> None:
    root = user("root", is_superuser=True)
    assert visible_to(root, action).count() == 3
    assert may(root, action)
    assert may(root, action, site.web)
    check_whole(site, root, action, SCOPES["everything"])
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


@pytest.mark.parametrize("role", Role.values)
def test_a_tag_and_a_host_as_a_whole_hold_guests_that_come_later(
    site: Site, user: Callable[..., User], role: str
) -> None:
    anna = user()
    give(site, anna, "tag-front", role)
    give(site, anna, "host-alpha", role)
    on_beta, on_alpha = make_guest(site.beta, "later"), make_guest(site.alpha, "later")
    assert (role_on(anna, on_beta), role_on(anna, on_alpha)) == (None, role)
    site.front.guests.add(on_beta)
    assert role_on(anna, on_beta) == role
