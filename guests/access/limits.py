"""How far a right to resize reaches: the largest memory and the most vCPUs that somebody may give a guest."""

from __future__ import annotations

from collections.abc import Iterable

from guests.access.decisions import ACTIONS, Action, User, grants_on, holds_everything
from guests.access.models import ROLE_ORDER, UNLIMITED, Grant, Limits, Role
from guests.access.tokens import token_of
from guests.inventory.models import Guest

_RESIZING = ROLE_ORDER[ROLE_ORDER.index(ACTIONS[Action.RESIZE]) :]


def limits_on(user: User, guest: Guest) -> Limits:
    """What the user may give a guest at most. Of several grants the most generous counts, for each of the two."""
    if token := token_of(user):
        user = token.user  # whether the token reaches so far is for `may` to say
    if holds_everything(user):
        return UNLIMITED
    return limits_of(grants_on(user, guest))


def limits_of(grants: Iterable[Grant]) -> Limits:
    """What these grants give together on a guest that each of them covers."""
    resizing = [found for found in grants if found.role in _RESIZING]
    if not resizing:
        return Limits(memory_kib=0, vcpus=0)
    if any(found.role == Role.ADMINISTRATOR for found in resizing):
        return UNLIMITED
    return Limits(
        _most([found.largest_memory_kib for found in resizing]), _most([found.largest_vcpus for found in resizing])
    )


def _most(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None
