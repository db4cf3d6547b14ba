"""Giving and taking: recorded, announced, unique, and only by those who hold it (B5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from guests.access import Grant, Role, grant, may, revoke
from guests.access import granting as granting_module
from guests.audit.models import AuditRecord
from guests.inventory.changes import Feed, current_revision
from tests.guests.access.conftest import Site

pytestmark = pytest.mark.django_db


def objects(site: Site) -> dict[str, Any]:
    return {"everything": None, "host": site.alpha, "tag": site.front, "guest": site.web}


def test_a_grant_is_recorded_and_announced(site: Site, user: Callable[..., User]) -> None:
    root, anna = user("root", is_superuser=True), user("anna")
    before = current_revision(Feed.RIGHTS)
    given = grant(Role.OPERATOR, anna, site.web, by=root, address="192.0.2.7")
    assert may(anna, "resize", site.web)
    assert given.granted_by == root
    assert current_revision(Feed.RIGHTS) > before
    line = AuditRecord.objects.get()
    assert (line.action, line.outcome, line.user_name, line.guest_name) == ("access.grant", "ok", "root", "web")
    assert line.address == "192.0.2.7"
    assert line.detail == {"holder": "anna", "on": "guest web", "before": None, "after": "operator"}


def test_a_second_role_on_the_same_object_replaces_the_first(site: Site, user: Callable[..., User]) -> None:
    anna = user("anna")
    grant(Role.OPERATOR, anna, site.web, by=None)
    grant(Role.WATCHER, anna, site.web, by=None)
    assert [g.role for g in Grant.objects.all()] == ["watcher"]
    assert AuditRecord.objects.first().detail["before"] == "operator"  # type: ignore[union-attr]
    assert AuditRecord.objects.first().user_name == "command line"  # type: ignore[union-attr]


def test_the_same_grant_twice_is_one_and_one_line(site: Site, user: Callable[..., User]) -> None:
    anna = user("anna")
    assert grant(Role.WATCHER, anna, by=None) == grant(Role.WATCHER, anna, by=None)
    assert AuditRecord.objects.count() == 1


@pytest.mark.parametrize("scope", ["everything", "host", "tag", "guest"])
def test_the_database_holds_one_grant_per_holder_and_object(site: Site, user: Callable[..., User], scope: str) -> None:
    on = {} if scope == "everything" else {scope: objects(site)[scope]}
    for holder in ({"user": user("anna")}, {"group": Group.objects.create(name="g")}):
        Grant.objects.create(**holder, role="watcher", scope=scope, **on)
        with pytest.raises(IntegrityError), transaction.atomic():
            Grant.objects.create(**holder, role="operator", scope=scope, **on)


def test_a_revoked_grant_is_recorded_and_announced(site: Site, user: Callable[..., User]) -> None:
    anna = user("anna")
    given = grant(Role.OPERATOR, anna, site.alpha, by=None)
    before = current_revision(Feed.RIGHTS)
    revoke(given, by=None)
    assert not may(anna, "see", site.web)
    assert current_revision(Feed.RIGHTS) > before
    line = AuditRecord.objects.first()
    assert line is not None
    assert (line.action, line.host_name) == ("access.revoke", "alpha")
    assert line.detail == {"holder": "anna", "on": "host alpha", "before": "operator", "after": None}


# Who holds what → on what they may give.
GIVERS = [
    ("administrator", "everything", {"everything", "host", "tag", "guest"}),
    ("administrator", "host", {"host", "guest"}),
    ("administrator", "tag", {"tag", "guest"}),
    ("administrator", "guest", {"guest"}),
    ("operator", "everything", set()),
    ("watcher", "everything", set()),
]


@pytest.mark.parametrize(("role", "scope", "allowed"), GIVERS)
@pytest.mark.parametrize("on", ["everything", "host", "tag", "guest"])
def test_B5_nobody_grants_what_they_do_not_hold(
    site: Site, user: Callable[..., User], role: str, scope: str, allowed: set[str], on: str
) -> None:
    giver, anna = user("giver"), user("anna")
    grant(Role(role), giver, objects(site)[scope], by=None)
    lines = AuditRecord.objects.count()
    what = objects(site)[on]
    standing = grant(Role.WATCHER, user("bea"), what, by=None)
    if on in allowed:
        assert grant(Role.ADMINISTRATOR, anna, what, by=giver).granted_by == giver
        revoke(standing, by=giver)
        return
    with pytest.raises(PermissionDenied):
        grant(Role.WATCHER, anna, what, by=giver)
    with pytest.raises(PermissionDenied):
        revoke(standing, by=giver)
    assert not Grant.objects.filter(user=anna).exists()
    assert Grant.objects.filter(pk=standing.pk).exists()
    denied = AuditRecord.objects.filter(outcome="denied")
    assert denied.count() == 2
    assert AuditRecord.objects.count() == lines + 3


def test_nobody_widens_their_own_scope(site: Site, user: Callable[..., User]) -> None:
    giver = user("giver")
    grant(Role.ADMINISTRATOR, giver, site.web, by=None)
    for what in (site.db, site.alpha, site.front, None):
        with pytest.raises(PermissionDenied):
            grant(Role.WATCHER, giver, what, by=giver)


def test_a_grant_that_cannot_be_recorded_is_not_given(
    site: Site, user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise OSError("disk full")

    standing = grant(Role.OPERATOR, user("bea"), site.web, by=None)
    monkeypatch.setattr(granting_module, "record", broken)
    with pytest.raises(OSError, match="disk full"):
        grant(Role.OPERATOR, user("anna"), site.web, by=None)
    with pytest.raises(OSError, match="disk full"):
        revoke(standing, by=None)
    assert list(Grant.objects.all()) == [standing]


def test_B9_a_new_guest_of_the_same_name_inherits_nothing(site: Site, user: Callable[..., User]) -> None:
    from tests.guests.access.conftest import make_guest

    anna = user("anna")
    grant(Role.OPERATOR, anna, site.web, by=None)
    site.web.name = "renamed"
    site.web.save()
    again = make_guest(site.alpha, "web")
    assert may(anna, "see", site.web)
    assert not may(anna, "see", again)
