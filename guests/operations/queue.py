"""Asking: one row in the queue per form that was sent, however often it is sent."""

from __future__ import annotations

import secrets
import time
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from guests.access import may, may_on
from guests.access.tokens import token_of
from guests.audit import RecordedDenial, record
from guests.inventory.changes import Feed, next_revision
from guests.inventory.models import Guest, Host
from guests.operations.host_kinds import HOST_KINDS, kind_of, may_do
from guests.operations.kinds import KINDS
from guests.operations.models import Operation, OperationState

FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 0.01, 0.1  # most changes take less than a tenth of a second


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

    Raises PermissionDenied where the person may not, or not so much (recorded as denied), KeyError for an unknown kind.
    """
    found = KINDS[kind]
    if found.standing or not may(by, found.action, guest):
        record(f"guest.{kind}", by=by, guest=guest, outcome="denied", address=address)
        raise RecordedDenial(_("You may look at this guest, but not do this."))
    if refusal := found.refusal(by, guest, parameters or {}):
        record(f"guest.{kind}", by=by, guest=guest, outcome="denied", address=address, asked=parameters or {})
        raise RecordedDenial(refusal)
    return _queue(
        f"guest.{kind}",
        {"kind": kind, "host": guest.host, "guest": guest},
        by=by,
        key=key,
        asked=parameters or {},
        before=before or {},
        address=address,
    )


def ask_host(
    kind: str,
    host: Host,
    *,
    by: AbstractBaseUser,
    key: str,
    parameters: dict[str, Any] | None = None,
    before: dict[str, Any] | None = None,
    address: str = "",
) -> Operation:
    """`ask` for what is done to a host and no guest of it."""
    found = HOST_KINDS[kind]
    if found.standing or not may_on(by, found.action, host):
        record(f"host.{kind}", by=by, host=host, outcome="denied", address=address)
        raise RecordedDenial(_("You may not do this on this host."))
    if refusal := found.refusal(by, host, parameters or {}):
        record(f"host.{kind}", by=by, host=host, outcome="denied", address=address, asked=parameters or {})
        raise RecordedDenial(refusal)
    return _queue(
        f"host.{kind}",
        {"kind": kind, "host": host},
        by=by,
        key=key,
        asked=parameters or {},
        before=before or {},
        address=address,
    )


def _queue(
    action: str,
    what: dict[str, Any],
    *,
    by: AbstractBaseUser,
    key: str,
    asked: dict[str, Any],
    before: dict[str, Any],
    address: str,
) -> Operation:
    """The row of a key: made and recorded together, or the one that stands."""
    with transaction.atomic():
        revision = next_revision(Feed.OPERATIONS)
        operation, created = Operation.objects.get_or_create(
            asked_by_id=by.pk,
            idempotency_key=key,
            defaults={
                **what,
                "asked_by_name": by.get_username(),
                "asked_with": token_of(by),
                "language": get_language() or "",
                "parameters": asked,
                "before": before,
                "revision": revision,
            },
        )
        if created:
            record(
                action,
                by=by,
                guest=what.get("guest"),
                host=what["host"],
                address=address,
                operation=str(operation.pk),
                asked=asked,
                before=before,
            )
    return operation


def cancel(operation: Operation, *, by: AbstractBaseUser, address: str = "") -> bool:
    """Ask for an end: at once while queued, by the worker while waiting. False where it is too late or the kind cannot.

    Raises PermissionDenied for whoever may not do the operation itself.
    """
    kind = kind_of(operation)
    if kind is None:
        return False
    action = f"{operation.room}.{operation.kind}.cancel"
    if not may_do(by, operation):
        record(action, by=by, guest=operation.guest, host=operation.host, outcome="denied", address=address)
        raise RecordedDenial(
            _("You may look at this guest, but not do this.")
            if operation.guest
            else _("You may not do this on this host.")
        )
    stoppable = [OperationState.QUEUED]
    if kind.cancellable:
        stoppable += [OperationState.RUNNING, OperationState.WAITING]
    with transaction.atomic():
        asked = Operation.objects.filter(pk=operation.pk, state__in=stoppable).update(
            cancel_asked=True, revision=next_revision(Feed.OPERATIONS)
        )
        if asked:
            record(
                action,
                by=by,
                guest=operation.guest,
                host=operation.host,
                address=address,
                operation=str(operation.pk),
            )
    operation.refresh_from_db()
    return bool(asked)


def wait_for_end(operation: Operation, seconds: float = 2.0) -> Operation:
    """The operation as it is when it ended, or after so many seconds: a quick change answers a view at once.

    Must not be called inside a transaction: nothing of the worker's would be seen.
    """
    deadline, pause = time.monotonic() + seconds, FIRST_POLL_SECONDS
    while not operation.is_over and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(1.2 * pause, LAST_POLL_SECONDS)
        operation.refresh_from_db()
    return operation
