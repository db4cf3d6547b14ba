"""Whatever may take a right away is announced on Feed.RIGHTS, so that open consoles and sockets check again at once.

Connected in `GuestsConfig.ready`. Django sends no signal for `QuerySet.update()`: such a change is noticed only by the
periodic re-check of whoever holds something open, so rights are never changed that way.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db.models.signals import m2m_changed, post_delete, post_save

from guests.access.models import Grant
from guests.inventory.changes import Feed, announce
from guests.inventory.models import Guest

_SEEN_AT_EVERY_SIGN_IN = frozenset({"last_login"})


def connect() -> None:
    """Listen to grants, people, group memberships, tags on guests, and sessions that end."""
    user = get_user_model()
    for signal, sender in (
        (post_save, Grant),
        (post_delete, Grant),
        (post_save, user),
        (post_delete, user),
        (post_delete, Group),
        (post_delete, Session),
        (m2m_changed, user.groups.through),
        (m2m_changed, Guest.tags.through),
    ):
        signal.connect(_rights_changed, sender=sender, dispatch_uid=f"rights-{sender.__name__}-{id(signal)}")


def _rights_changed(
    sender: Any, *, action: str = "", created: bool = False, update_fields: frozenset[str] | None = None, **_kwargs: Any
) -> None:
    if action.startswith("pre_") or (update_fields and update_fields <= _SEEN_AT_EVERY_SIGN_IN):
        return
    if created and sender is get_user_model():
        return  # nobody has anything of theirs open yet
    announce(Feed.RIGHTS)
