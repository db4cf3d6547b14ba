"""How far a right to resize reaches: the largest memory and the most vCPUs that somebody may give a guest."""

from __future__ import annotations

from guests.access.decisions import ACTIONS, Action, User, grants_on, holds_everything
from guests.access.models import ROLE_ORDER, UNLIMITED, Limits, Role
from guests.access.tokens import token_of
from guests.inventory.models import Guest


def limits_on(user: User, guest: Guest) -> Limits:
    """What the user may give a guest at most. Of several grants the most generous counts, for each of the two."""
    if token := token_of(user):
        user = token.user  # whether the token reaches so far is for `may` to say
    if holds_everything(user):
        return UNLIMITED
    resizing = ROLE_ORDER[ROLE_ORDER.index(ACTIONS[Action.RESIZE]) :]
    held = grants_on(user, guest).filter(role__in=resizing)
    rows = list(held.values_list("role", "largest_memory_kib", "largest_vcpus"))
    if not rows:
        return Limits(memory_kib=0, vcpus=0)
    if any(role == Role.ADMINISTRATOR for role, _memory, _vcpus in rows):
        return UNLIMITED
    return Limits(_most([row[1] for row in rows]), _most([row[2] for row in rows]))


def _most(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None
