"""Writing the record."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied

from guests.audit.models import AuditRecord
from guests.inventory.models import Guest, Host


class RecordedDenial(PermissionDenied):
    """A refusal that stands in the record already, said more exactly than the door could."""


def record(
    action: str,
    *,
    by: AbstractBaseUser | AnonymousUser | None = None,
    by_name: str = "",
    guest: Guest | None = None,
    host: Host | None = None,
    outcome: str = "ok",
    address: str = "",
    **detail: Any,
) -> AuditRecord:
    """Add one line; call it in the transaction of what it records, so that one cannot be without the other.

    `action` is dotted ("guest.resize_memory"), `outcome` one of ok, failed, denied; `detail` must be JSON: no secrets.
    One INSERT; its place in the chain is the database's own work.
    """
    user = by if by is not None and by.is_authenticated else None
    if came_with := getattr(user, "came_with", None):  # an API token (guests/access/tokens.py), named in every line
        detail["with_token"] = str(came_with)
    line = AuditRecord(
        action=action,
        outcome=outcome,
        user_id=user.pk if user else None,
        user_name=_storable(by_name or (user.get_username() if user else ""))[:150],
        guest=guest,
        guest_name=_storable(guest.name) if guest else "",
        host_name=host.name if host else (guest.host.name if guest else ""),
        address=address[:45],
        detail=_storable(detail),
    )
    line.save()
    return line


def _storable(value: Any) -> Any:
    """What somebody typed must not keep its line out of the record: NUL and half characters fit no database's text."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_storable(name): _storable(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(part) for part in value]
    return value
