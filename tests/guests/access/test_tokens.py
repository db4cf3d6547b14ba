"""Tokens: shown once, hashed, expiring, and on every path no stronger than their owner."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AbstractBaseUser, User
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from guests.access import (
    ACTIONS,
    Action,
    Grant,
    Limits,
    hosts_held,
    hosts_visible_to,
    limits_on,
    may,
    may_on,
    role_on,
    visible_to,
)
from guests.access.tokens import Ability, APIToken, bearer, find_token, make_token, note_use, revoke_token
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest
from guests.operations import ask, cancel, new_key
from guests.operations.models import Operation
from tests.guests.access.conftest import Site

pytestmark = pytest.mark.django_db
WEEK = timedelta(days=7)


def with_token(owner: User, ability: str = "operate", **only: Any) -> AbstractBaseUser:
    """The owner as somebody who came with a new token."""
    made, secret = make_token(owner, new_key(), Ability(ability), timezone.now() + WEEK, **only)
    found = find_token(secret)
    assert found == made
    return bearer(found)


@pytest.fixture
def owner(user: Callable[..., User], site: Site) -> User:
    """An administrator of alpha, and a watcher of what bears the tag front: web and far."""
    anna = user()
    Grant.objects.create(user=anna, role="administrator", scope="host", host=site.alpha)
    Grant.objects.create(user=anna, role="watcher", scope="tag", tag=site.front)
    return anna


def test_a_token_has_256_bits_and_only_its_hash_is_stored(owner: User) -> None:
    made, secret = make_token(owner, "ci", Ability.READ, timezone.now() + WEEK)
    assert secret.startswith("guesthouse_")
    assert len(secret) == len("guesthouse_") + 43
    row = APIToken.objects.filter(pk=made.pk).values().get()
    assert row["token_hash"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in str(row)
    assert secret.startswith(row["beginning"])
    assert len(secret) - len(row["beginning"]) >= 39


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(days=-1), timedelta(days=366)])
def test_a_token_ends_within_a_year(owner: User, ahead: timedelta) -> None:
    with pytest.raises(ValueError, match="within a year"):
        make_token(owner, "ci", Ability.READ, timezone.now() + ahead)


def test_a_token_is_found_by_its_secret_only(owner: User) -> None:
    made, secret = make_token(owner, "ci", Ability.READ, timezone.now() + WEEK)
    assert find_token(secret) == made
    for other in ("", "guesthouse_", secret[:-1], secret.upper(), made.token_hash, f" {secret}"):
        assert find_token(other) is None


def test_an_operating_token_gives_what_its_owner_may_up_to_operating(site: Site, owner: User) -> None:
    came = with_token(owner)
    for guest in (site.web, site.db, site.far):
        for action in Action:
            expected = may(owner, action, guest) and ACTIONS[action] != "administrator"
            assert may(came, action, guest) == expected, (guest, action)
            assert visible_to(came, action).filter(pk=guest.pk).exists() == expected, (guest, action)
    assert (role_on(came, site.web), role_on(came, site.far)) == ("operator", "watcher")
    assert set(hosts_visible_to(came)) == set(hosts_visible_to(owner))
    assert may_on(came, "power", site.alpha)
    assert not may_on(came, "power", site.beta)
    assert not may_on(came, "grant", site.alpha)


def test_a_reading_token_only_sees(site: Site, owner: User) -> None:
    came = with_token(owner, "read")
    assert set(visible_to(came)) == set(visible_to(owner))
    assert not visible_to(came, "power").exists()
    assert not may(came, "power", site.web)
    assert role_on(came, site.web) == "watcher"


def test_a_token_of_chosen_guests_and_hosts_is_for_these_only(site: Site, owner: User) -> None:
    came = with_token(owner, guests=[site.db], hosts=[site.beta])
    assert set(visible_to(came)) == {site.db, site.far}
    assert may(came, "power", site.db)
    assert not may(came, "power", site.web)
    assert not may(came, "power", site.far)  # the owner only watches it
    assert role_on(came, site.web) is None
    assert set(hosts_visible_to(came)) == {site.alpha, site.beta}
    assert not may_on(came, "see", site.alpha)
    assert not may_on(came, "see", site.front)
    assert not hosts_held(came, "power").exists()  # of alpha only one guest, of beta the owner has no role
    assert set(hosts_held(with_token(owner, hosts=[site.alpha]), "power")) == {site.alpha}


def test_a_token_for_what_its_owner_lost_opens_nothing(site: Site, owner: User) -> None:
    came = with_token(owner, guests=[site.far])
    Grant.objects.filter(scope="tag").delete()
    assert not visible_to(came).exists()
    assert not may(came, "see", site.far)


def test_a_token_whose_host_is_gone_does_not_become_one_for_everything(site: Site, owner: User) -> None:
    came = with_token(owner, hosts=[site.beta])
    site.far.tags.clear()
    Guest.objects.filter(pk=site.far.pk).delete()
    site.beta.delete()
    assert not visible_to(came).exists()
    assert not may(came, "see")


def test_a_superuser_s_token_is_no_superuser(site: Site) -> None:
    root = User.objects.create_superuser("root")
    came = with_token(root, "read", guests=[site.web])
    assert list(visible_to(came)) == [site.web]
    assert not may(came, "see", site.db)
    assert not may(came, "see")
    came = with_token(root)
    assert may(came, "power", site.db)
    assert not any(may(came, action) for action in Action if ACTIONS[action] == "administrator")


def test_a_token_bounds_nothing_that_its_owner_s_limits_do_not(
    site: Site, owner: User, user: Callable[..., User]
) -> None:
    bob = user("bob")
    Grant.objects.create(user=bob, role="operator", scope="host", host=site.alpha, largest_vcpus=2)
    assert limits_on(with_token(bob), site.web) == limits_on(bob, site.web) == Limits(None, 2)
    root = User.objects.create_superuser("root")
    assert limits_on(with_token(root), site.web) == Limits()


@pytest.mark.parametrize("end", ["revoked", "expired", "disabled"])
def test_a_token_that_ended_gives_nothing(site: Site, owner: User, end: str) -> None:
    came = with_token(owner)
    token = came.came_with  # type: ignore[attr-defined]
    if end == "revoked":
        revoke_token(token, by=owner)
    elif end == "expired":
        APIToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    else:
        User.objects.filter(pk=owner.pk).update(is_active=False)
    came = bearer(APIToken.objects.select_related("user").get(pk=token.pk))
    assert not visible_to(came).exists()
    assert not hosts_visible_to(came).exists()
    assert not may(came, "see", site.web)
    assert not may_on(came, "see", site.alpha)
    assert role_on(came, site.web) is None


def test_lists_stay_one_query(site: Site, owner: User, django_assert_num_queries: Callable[..., Any]) -> None:
    for came in (with_token(owner), with_token(owner, guests=[site.web], hosts=[site.beta])):
        with django_assert_num_queries(1):
            list(visible_to(came, "power"))
        with django_assert_num_queries(1):
            list(hosts_visible_to(came))


def test_an_operation_remembers_its_token_and_the_record_names_it(site: Site, owner: User) -> None:
    came = with_token(owner)
    token = came.came_with  # type: ignore[attr-defined]
    operation = ask("start", site.web, by=came, key="k")
    assert operation.asked_by == owner
    assert operation.asked_with == token
    assert AuditRecord.objects.get(action="guest.start").detail["with_token"] == str(token)
    again = Operation.objects.get(pk=operation.pk)
    assert again.asker is not None and may(again.asker, "power", site.web)
    revoke_token(token, by=owner)
    again = Operation.objects.get(pk=operation.pk)
    assert again.asker is not None and not may(again.asker, "power", site.web)


def test_a_reading_token_can_neither_ask_nor_cancel(site: Site, owner: User) -> None:
    operation = ask("start", site.web, by=owner, key="k")
    came = with_token(owner, "read")
    with pytest.raises(PermissionDenied):
        ask("start", site.db, by=came, key="k2")
    with pytest.raises(PermissionDenied):
        cancel(operation, by=came)
    denied = AuditRecord.objects.filter(outcome="denied")
    assert [line.action for line in denied] == ["guest.start.cancel", "guest.start"]
    assert all("with_token" in line.detail for line in denied)


def test_making_and_revoking_are_recorded_without_the_secret(
    site: Site, owner: User, user: Callable[..., User]
) -> None:
    made, secret = make_token(owner, "ci", Ability.READ, timezone.now() + WEEK, guests=[site.web], address="192.0.2.7")
    revoke_token(made, by=user("root"), address="192.0.2.8")
    revoke_token(made, by=owner)  # again: nothing more happens
    made_line, revoked = AuditRecord.objects.filter(action__startswith="token.").order_by("id")
    assert (made_line.user_name, made_line.detail["only"], made_line.address) == ("anna", ["web"], "192.0.2.7")
    assert (revoked.user_name, revoked.detail["owner"], revoked.address) == ("root", "anna", "192.0.2.8")
    assert secret not in f"{made_line.detail} {revoked.detail}"


def test_the_use_is_noted_once_a_minute_and_for_each_new_address(
    owner: User, django_assert_num_queries: Callable[..., Any]
) -> None:
    made, _secret = make_token(owner, "ci", Ability.READ, timezone.now() + WEEK)
    note_use(made, "192.0.2.7")
    made.refresh_from_db()
    assert made.used_at is not None and made.used_from == "192.0.2.7"
    with django_assert_num_queries(0):
        note_use(made, "192.0.2.7")
    note_use(made, "192.0.2.8")
    made.refresh_from_db()
    assert made.used_from == "192.0.2.8"
