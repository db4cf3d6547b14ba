"""A guest that was migrated is recorded, whoever did it."""

from __future__ import annotations

from typing import Any

from guests.audit.recording import record
from guests.inventory.models import Guest, Host
from guests.inventory.moving import guest_moved


def connect() -> None:
    """Listen to guests that move."""
    guest_moved.connect(_record, dispatch_uid="audit-moves")


def _record(sender: type[Guest], *, guest: Guest, left: Host, **_kwargs: Any) -> None:
    record("guest.moved", by_name="host worker", guest=guest, left=left.name, host=guest.host)
