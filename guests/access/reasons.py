"""Who can do what with one guest, and why: three queries, however many people and grants there are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db.models import QuerySet

from guests.access.decisions import covering
from guests.access.limits import limits_of
from guests.access.models import ROLE_ORDER, UNLIMITED, Grant, Limits, Role
from guests.inventory.models import Guest


@dataclass(frozen=True, slots=True)
class PersonHere:
    """One person with the highest role on a guest. `why` is empty for a superuser, who needs no grant."""

    user: User
    role: Role
    limits: Limits
    why: tuple[Grant, ...]


def grants_about(guest: Guest) -> QuerySet[Grant]:
    """All that cover it, the widest first."""
    related = ("user", "group", "host", "tag", "guest", "granted_by")
    return Grant.objects.filter(covering(guest)).select_related(*related).order_by("scope", "pk")


def people_on(guest: Guest, grants: list[Grant]) -> list[PersonHere]:
    """The active people who may do something by these grants (`grants_about`) or as superusers; highest role first."""
    people = get_user_model().objects.filter(is_active=True)
    held: dict[int, list[Grant]] = defaultdict(list)
    users: dict[int, User] = {}
    groups = {found.group_id: found for found in grants if found.group_id}
    for found in grants:
        if found.user is not None and found.user.is_active:
            users[found.user.pk] = found.user
            held[found.user.pk].append(found)
    members = people.filter(groups__in=list(groups)).distinct().prefetch_related("groups") if groups else []
    for member in members:
        users[member.pk] = member
        held[member.pk] += [groups[group.pk] for group in member.groups.all() if group.pk in groups]
    for superuser in people.filter(is_superuser=True):
        users[superuser.pk] = superuser
        held[superuser.pk] = []
    here = [_person(user, held[pk]) for pk, user in users.items()]
    return sorted(here, key=lambda person: (-ROLE_ORDER.index(person.role), person.user.get_username()))


def _person(user: User, why: list[Grant]) -> PersonHere:
    if not why:
        return PersonHere(user, Role.ADMINISTRATOR, UNLIMITED, ())
    role = max((Role(found.role) for found in why), key=ROLE_ORDER.index)
    return PersonHere(user, role, limits_of(why), tuple(why))
