"""Asking: one row in the queue per form that was sent, however often it is sent."""

from __future__ import annotations

import secrets
import time
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _

from guests.access import may
from guests.audit import record
from guests.inventory.changes import Feed, next_revision
from guests.inventory.models import Guest
from guests.operations.kinds import KINDS
from guests.operations.models import Operation

POLL_SECONDS = 0.02


def new_key() -> str:
    """An idempotency key for one rendering of a form."""
    return secrets.token_urlsafe(18)


def ask(
    kind: str,
    guest: Guest,
    *,
    by: AbstractBaseUser,
    key: str,
    parameters: dict[str, Any] | None = None,
    before: dict[str, Any] | None = None,
    address: str = "",
) -> Operation:
    """Queue one operation and record it; the same key by the same person answers with the first one's row.

    Raises PermissionDenied where the person may not (recorded as denied), KeyError for an unknown kind.
    """
    found = KINDS[kind]
    if not may(by, found.action, guest):
        record(f"guest.{kind}", by=by, guest=guest, outcome="denied", address=address)
        raise PermissionDenied(_("You may look at this guest, but not do this."))
    with transaction.atomic():
        operation, created = Operation.objects.get_or_create(
            asked_by=by,
            idempotency_key=key,
            defaults={
                "kind": kind,
                "host": guest.host,
                "guest": guest,
                "asked_by_name": by.get_username(),
                "parameters": parameters or {},
                "before": before or {},
                "revision": next_revision(Feed.OPERATIONS),
            },
        )
        if created:
            record(
                f"guest.{kind}", by=by, guest=guest, address=address, operation=str(operation.pk), **(parameters or {})
            )
    return operation


def wait_for_end(operation: Operation, seconds: float = 2.0) -> Operation:
    """The operation as it is when it ended, or after so many seconds; for views, so that a quick change answers at once."""
    deadline = time.monotonic() + seconds
    while not operation.is_over and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        operation.refresh_from_db()
    return operation
