"""What an administrator does to a group. A group can hold roles: its members hold them as long as they are in it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction

from guests.audit import record


def make_group(name: str, *, by: User, address: str = "") -> Group:
    """A new, empty group."""
    with transaction.atomic():
        group = Group.objects.create(name=name)
        _record("groups.make", by, group, address)
    return group


def rename_group(group: Group, name: str, *, by: User, address: str = "") -> None:
    """Its roles and members stay."""
    before = group.name
    if before == name:
        return
    with transaction.atomic():
        group.name = name
        group.save(update_fields=["name"])
        _record("groups.rename", by, group, address, before=before)


def add_member(group: Group, person: User, *, by: User, address: str = "") -> None:
    """Whoever is in it already stays in it."""
    with transaction.atomic():
        group.user_set.add(person)
        _record("groups.add", by, group, address, person=person.get_username())


def remove_member(group: Group, person: User, *, by: User, address: str = "") -> None:
    """Take somebody out, and with it what the group's roles gave."""
    with transaction.atomic():
        group.user_set.remove(person)
        _record("groups.remove", by, group, address, person=person.get_username())


def delete_group(group: Group, *, by: User, address: str = "") -> None:
    """With its roles; its members stay people."""
    with transaction.atomic():
        held = [str(found) for found in group.grants.select_related("user", "host", "tag", "guest")]
        members = sorted(group.user_set.values_list("username", flat=True))
        _record("groups.delete", by, group, address, roles=held, members=members)
        group.delete()


def _record(action: str, by: User, group: Group, address: str, **detail: Any) -> None:
    record(action, by=by, address=address, group=group.name, group_id=group.pk, **detail)
