"""What is still to be done to a guest that was migrated is done on its new host."""

from __future__ import annotations

from typing import Any

from guests.inventory.changes import Feed, next_revision
from guests.inventory.models import Guest
from guests.inventory.moving import guest_moved
from guests.operations.models import Operation, OperationState


def connect() -> None:
    """Listen to guests that move."""
    guest_moved.connect(_follow, dispatch_uid="operations-moves")


def _follow(sender: type[Guest], *, guest: Guest, **_kwargs: Any) -> None:
    queued = Operation.objects.filter(guest=guest, state=OperationState.QUEUED)
    queued.update(host=guest.host, revision=next_revision(Feed.OPERATIONS))
