"""Whatever may take a right away moves Feed.RIGHTS."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from guests.access.models import Grant
from guests.inventory.changes import Feed, current_revision
from tests.guests.access.conftest import Site

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def anna(site: Site) -> User:
    anna = User.objects.create_user("anna", password=PASSWORD)
    group = Group.objects.create(name="g")
    anna.groups.add(group)
    Grant.objects.create(group=group, role="watcher", scope="host", host=site.alpha)
    Grant.objects.create(user=anna, role="watcher", scope="everything")
    return anna


def deactivate(anna: User, site: Site) -> None:
    anna.is_active = False
    anna.save()


def activate(anna: User, site: Site) -> None:
    User.objects.get(pk=anna.pk).save(update_fields=["is_active"])


CHANGES: dict[str, Callable[[User, Site], object]] = {
    "a grant is deleted": lambda anna, site: Grant.objects.filter(user=anna).delete(),
    "a grant is added": lambda anna, site: Grant.objects.create(
        user=anna, role="watcher", scope="host", host=site.beta
    ),
    "a user is deactivated": deactivate,
    "a user is activated": activate,
    "a user is deleted": lambda anna, site: anna.delete(),
    "a user leaves a group": lambda anna, site: anna.groups.clear(),
    "a group loses its members": lambda anna, site: Group.objects.get().user_set.clear(),
    "a group is deleted": lambda anna, site: Group.objects.get().delete(),
    "a guest loses a tag": lambda anna, site: site.web.tags.clear(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_rights_is_announced(anna: User, site: Site, name: str) -> None:
    before = current_revision(Feed.RIGHTS)
    CHANGES[name](anna, site)
    assert current_revision(Feed.RIGHTS) > before


def test_signing_out_is_announced(anna: User) -> None:
    client = Client()
    client.force_login(anna, backend="allauth.account.auth_backends.AuthenticationBackend")
    before = current_revision(Feed.RIGHTS)
    client.logout()
    assert current_revision(Feed.RIGHTS) > before


def test_clearing_expired_sessions_is_announced(anna: User) -> None:
    client = Client()
    client.force_login(anna, backend="allauth.account.auth_backends.AuthenticationBackend")
    Session.objects.update(expire_date=timezone.now())
    before = current_revision(Feed.RIGHTS)
    Session.objects.filter(expire_date__lte=timezone.now()).delete()
    assert current_revision(Feed.RIGHTS) > before


def test_noting_the_last_sign_in_is_not_announced(anna: User) -> None:
    before = current_revision(Feed.RIGHTS)
    anna.save(update_fields=["last_login"])
    assert current_revision(Feed.RIGHTS) == before
