"""Django's `has_perm`, answered by grants."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from guests.access.decisions import ACTIONS, Action, may
from guests.inventory.models import Guest


class GrantBackend:
    """`user.has_perm("guests.resize", guest)`; without a guest: on the whole site. It signs nobody in."""

    def authenticate(self, request: Any, **credentials: Any) -> None:
        """Left to the other backends."""

    def get_user(self, user_id: Any) -> None:
        """Left to the other backends."""

    def has_perm(self, user: AbstractBaseUser | AnonymousUser, perm: str, obj: object | None = None) -> bool:
        """Whether grants give "guests.<action>"."""
        room, _, action = perm.partition(".")
        if room != "guests" or action not in {a.value for a in ACTIONS}:
            return False
        return may(user, Action(action), obj if isinstance(obj, Guest) else None)
