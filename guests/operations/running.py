"""Running one operation: permission again, the guest again, the call, what came of it.

The host's worker calls this from a thread of the operation's own. Every write carries the lease's epoch: once another
worker has the host nothing more is written here, and that worker finds the operation abandoned.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from guests.audit import record
from guests.errors import GuestNotFound, HypervisorError, HypervisorUnreachable, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.reading import get_guest
from guests.inventory.changes import Feed, next_revision
from guests.inventory.definitions import DefinitionVersion
from guests.inventory.host_inventory import HostInventory
from guests.inventory.leases import Lease, fenced
from guests.inventory.models import Guest
from guests.operations.facts import GONE, Facts, before_and_after, facts_of, snapshot_facts
from guests.operations.half_made import HalfMade
from guests.operations.host_kinds import HostOperationKind, HostTask, kind_of, may_do
from guests.operations.kinds import OperationKind, Progress, Task
from guests.operations.models import Operation, OperationState
from guests.resources import GuestEvent

logger = logging.getLogger(__name__)

# What the writing room calls a field → what the forms call it.
FIELDS = {"current_memory": "current", "maximum_memory": "maximum", "vcpus": "count", "maximum_vcpus": "count"}


@dataclasses.dataclass
class Outcome:
    """How an operation ended."""

    state: OperationState
    message: str = ""
    detail: str = ""
    field: str = ""
    after: dict[str, Any] = dataclasses.field(default_factory=dict)
    settled: bool = True  # False: the host will be asked what came of it


class RunningOperation:
    """One operation under way: what its kind tells (`kinds.Progress`), and how the worker ends its waiting."""

    def __init__(self, lease: Lease, operation: Operation, on_waiting: Callable[[], None] = lambda: None) -> None:
        self.lease = lease
        self.operation = operation
        self.was_sent = False
        self.replaced = False
        self.began_at = timezone.now()
        self.found: Facts = {}  # what it is about, before it began and after it ended, for the record
        self.left: Facts = {}
        self._on_waiting = on_waiting
        self._told: tuple[int | None, int | None] | None = None

    def sending(self) -> None:
        self.was_sent = True

    def waiting(self, done: int | None = None, total: int | None = None) -> None:
        if self._told is None:
            self._on_waiting()
        if self._told != (done, total):
            self._told = (done, total)
            self._write(state=OperationState.WAITING, progress_done=done, progress_total=total, moved_at=timezone.now())

    def moved(self, done: int, total: int) -> None:
        self.waiting(done, total)

    def under_way(self, done: int | None = None, total: int | None = None, rate: int | None = None) -> None:
        if self._told != (done, total):
            self._told = (done, total)
            self._write(progress_done=done, progress_total=total, progress_rate=rate, moved_at=timezone.now())

    def will_make_volume(self, pool: UUID, name: str) -> None:
        with fenced(self.lease):
            HalfMade.objects.create(operation=self.operation, pool=pool, name=name)

    def made_no_volume(self, pool: UUID, name: str) -> None:
        with fenced(self.lease):
            HalfMade.objects.filter(operation=self.operation, pool=pool, name=name).delete()

    def will_make_guest(self, uuid: UUID) -> None:
        with fenced(self.lease):
            HalfMade.objects.create(operation=self.operation, name=str(uuid))

    def made(self, guest: Guest) -> None:
        self._write(guest=guest)

    def is_cancelled(self) -> bool:
        return Operation.objects.filter(pk=self.operation.pk, cancel_asked=True).exists()

    def is_replaced(self) -> bool:
        return self.replaced

    def end(self, outcome: Outcome) -> None:
        """Record the end, in the row and in the audit record together."""
        end_operation(self.lease, self.operation, outcome, found=self.found, left=self.left)

    def _write(self, **columns: Any) -> None:
        with fenced(self.lease):
            Operation.objects.filter(pk=self.operation.pk).update(revision=next_revision(Feed.OPERATIONS), **columns)


def claim(lease: Lease, operation: Operation) -> bool:
    """Make a queued operation ours; False when it is queued no more."""
    with fenced(lease):
        claimed = Operation.objects.filter(
            pk=operation.pk, host_id=lease.host_id, state=OperationState.QUEUED, cancel_asked=False
        ).update(
            state=OperationState.RUNNING,
            epoch=lease.epoch,
            started_at=timezone.now(),
            revision=next_revision(Feed.OPERATIONS),
        )
    return bool(claimed)


def end_operation(
    lease: Lease, operation: Operation, outcome: Outcome, *, found: Facts | None = None, left: Facts | None = None
) -> None:
    """Write the end and its audit line; an operation that ended already stays as it is."""
    before, after = before_and_after(found or {}, left or {}, operation.before, outcome.after)
    with fenced(lease):
        ended = Operation.objects.filter(pk=operation.pk).exclude(
            state__in=[OperationState.DONE, OperationState.FAILED, OperationState.DENIED]
        )
        if not ended.update(
            state=outcome.state,
            message=outcome.message[:500],
            detail=outcome.detail[:2000],
            field=outcome.field[:40],
            after=outcome.after,
            ended_at=timezone.now() if outcome.settled else None,
            revision=next_revision(Feed.OPERATIONS),
        ):
            return
        if outcome.settled:
            HalfMade.objects.filter(operation=operation).delete()
        words = {OperationState.DONE: "ok", OperationState.DENIED: "denied"}
        record(
            f"{operation.room}.{operation.kind}.ended",
            by=operation.asker,
            by_name=operation.asked_by_name,
            guest=operation.guest,
            host=operation.host,
            outcome=words.get(outcome.state, "failed"),
            operation=str(operation.pk),
            state=str(outcome.state),
            before=before,
            after=after,
            message=outcome.message,
        )


def run_operation(
    running: RunningOperation,
    *,
    connect: Callable[[], Connection],
    inventory: HostInventory,
    next_event: Callable[[float], GuestEvent | None],
) -> OperationState:
    """Run a claimed operation to its end, refresh its guest's row, and record the end; answers the end's state.

    `connect` answers the connection for actions or raises HypervisorUnreachable. Raises LeaseLost.
    """
    with translation.override(running.operation.language or settings.LANGUAGE_CODE):
        try:
            outcome = _outcome(running, connect, inventory, next_event)
        except HypervisorUnreachable as error:
            outcome = _broken(running, error)
        except HypervisorError as error:
            found = FIELDS.get(error.field, error.field) if isinstance(error, OperationRefused) else ""
            outcome = Outcome(OperationState.FAILED, str(error), error.detail, found)
        if outcome.state is not OperationState.DENIED:
            read_again(running, connect, inventory)
            _sign_versions(running)
        running.end(outcome)
        return outcome.state


def _outcome(
    running: RunningOperation,
    connect: Callable[[], Connection],
    inventory: HostInventory,
    next_event: Callable[[float], GuestEvent | None],
) -> Outcome:
    operation = running.operation
    kind, guest = kind_of(operation), operation.guest
    if refusal := _denied(operation, kind):
        return Outcome(OperationState.DENIED, refusal)
    if isinstance(kind, HostOperationKind):
        asked = host_task(operation, connect, inventory, running)
        running.found = kind.facts(asked)
        return Outcome(OperationState.DONE, after=kind.run(asked))
    assert isinstance(kind, OperationKind)
    assert guest is not None
    read = get_guest(connect(), guest.uuid)
    running.found = {"host": operation.host.name, **facts_of(read), **snapshot_facts(guest.snapshots)}
    task = Task(
        connect=connect,
        uuid=guest.uuid,
        guest=read,
        row=guest,
        parameters=operation.parameters,
        before=operation.before,
        progress=running,
        next_event=next_event,
        inventory=inventory,
    )
    return Outcome(OperationState.DONE, after=kind.run(task))


def _denied(operation: Operation, kind: OperationKind | HostOperationKind | None) -> str:
    """Why its asker may not do it (any more), or ""."""
    if kind is not None and kind.standing:
        return ""
    asker = operation.asker
    if asker is None or not may_do(asker, operation):
        return _("The right to do this was taken away before it began.")
    if isinstance(kind, HostOperationKind):
        return kind.refusal(asker, operation.host, operation.parameters)
    assert kind is not None
    assert operation.guest is not None
    return kind.refusal(asker, operation.guest, operation.parameters)


def host_task(
    operation: Operation, connect: Callable[[], Connection], inventory: HostInventory, progress: Progress
) -> HostTask:
    """What a kind of host operations gets."""
    return HostTask(
        connect=connect,
        host=operation.host,
        parameters=operation.parameters,
        before=operation.before,
        progress=progress,
        inventory=inventory,
    )


def _sign_versions(running: RunningOperation) -> None:
    """What became of the guest's definition while this ran came of this: one operation at a time changes a guest."""
    operation = running.operation
    made = DefinitionVersion.objects.filter(guest=operation.guest_id, operation=None, seen_at__gte=running.began_at)
    if operation.guest_id and made.exists():
        with fenced(running.lease):
            made.update(operation=operation)


def _broken(running: RunningOperation, error: HypervisorUnreachable) -> Outcome:
    if running.was_sent:
        message = _("The connection to the host broke while this ran: the host will be asked what came of it.")
        return Outcome(OperationState.UNKNOWN, message, error.detail, settled=False)
    message = _("The host does not answer: nothing was changed.")
    return Outcome(OperationState.FAILED, message, error.detail)


def read_again(running: RunningOperation, connect: Callable[[], Connection], inventory: HostInventory) -> None:
    """Bring the rows up to date, so that the page shows the end and its effect together."""
    operation, kind = running.operation, kind_of(running.operation)
    if isinstance(kind, HostOperationKind):
        asked = host_task(operation, connect, inventory, running)
        try:
            kind.read_again(asked)
            running.left = kind.facts(asked)
        except HypervisorError as error:
            logger.info("what operation %s changed could not be read again: %s", operation.pk, error)
    if operation.guest is None:
        return
    read_at = time.monotonic()
    try:
        read = get_guest(connect(), operation.guest.uuid, snapshots=True)
        running.left = {"host": operation.host.name, **facts_of(read)}
        inventory.refresh(read, read_at)
        operation.guest.refresh_from_db(fields=["snapshots"])
        running.left |= snapshot_facts(operation.guest.snapshots)
    except GuestNotFound:
        running.left = GONE
        inventory.lose(operation.guest.uuid, read_at)
    except HypervisorError as error:
        logger.info("the guest of operation %s could not be read again: %s", operation.pk, error)
