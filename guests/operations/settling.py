"""Operations whose outcome nobody saw: of a worker that died, or of a connection that broke. They are never repeated:
the host is asked what came of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from guests import resources
from guests.errors import GuestNotFound, HypervisorError, HypervisorUnreachable
from guests.hypervisor.connection import Connection
from guests.hypervisor.reading import get_guest
from guests.inventory.host_inventory import HostInventory
from guests.inventory.leases import Lease
from guests.inventory.models import Guest
from guests.operations.host_kinds import HostOperationKind, HostTask, kind_of
from guests.operations.models import Operation, OperationState
from guests.operations.running import Outcome, RunningOperation, end_operation, host_task, read_again
from guests.operations.undoing import Undone, undo

logger = logging.getLogger(__name__)


def mark_abandoned(lease: Lease) -> int:
    """Operations that a worker before us left running or waiting become unknown; answers how many."""
    left = Operation.objects.filter(
        host_id=lease.host_id, state__in=[OperationState.RUNNING, OperationState.WAITING], epoch__lt=lease.epoch
    ).select_related("guest__host", "host", "asked_by")
    for operation in left:
        with translation.override(operation.language or settings.LANGUAGE_CODE):
            message = _("The worker that ran this ended: the host will be asked what came of it.")
            end_operation(lease, operation, Outcome(OperationState.UNKNOWN, message, settled=False))
    return len(left)


def settle_unknown(lease: Lease, connect: Callable[[], Connection], inventory: HostInventory) -> int:
    """Ask the host what came of unknown operations, and take away what was half made; answers how many have to be
    asked about again: the host still works at them. Raises HypervisorUnreachable.
    """
    unsettled = 0
    unknown = Operation.objects.filter(
        host_id=lease.host_id, state=OperationState.UNKNOWN, ended_at__isnull=True
    ).select_related("guest__host", "host", "asked_by")
    for operation in unknown:
        with translation.override(operation.language or settings.LANGUAGE_CODE):
            running = RunningOperation(lease, operation)
            try:
                outcome = _found_out(running, connect, inventory)
            except HypervisorUnreachable:
                raise
            except HypervisorError as error:
                logger.warning("what came of operation %s cannot be told: %s", operation.pk, error.detail or error)
                outcome = Outcome(OperationState.UNKNOWN, settled=False)
            if outcome.settled:
                running.end(outcome)
                read_again(running, connect, inventory)
            else:
                unsettled += 1
    return unsettled


def _found_out(running: RunningOperation, connect: Callable[[], Connection], inventory: HostInventory) -> Outcome:
    operation = running.operation
    kind, row = kind_of(operation), operation.guest
    task = host_task(operation, connect, inventory, running)
    if (undone := undo(task, operation)) is not None:
        return _undone(running, task, undone)
    if isinstance(kind, HostOperationKind):
        return _told(kind.reached(task), {})
    if kind is None or row is None:
        return Outcome(OperationState.UNKNOWN, _("Nobody saw what came of this."))
    try:
        guest = get_guest(connect(), row.uuid, snapshots=True)
    except GuestNotFound as error:
        if row.host_id != operation.host_id and operation.parameters.get("to") == row.host.name:
            return Outcome(OperationState.DONE, _("It is on %(host)s now.") % {"host": row.host.name})
        return Outcome(OperationState.UNKNOWN, _("Nobody saw what came of this, and the guest is gone."), error.detail)
    return _told(kind.reached(guest, operation.parameters), _state_and_sizes(guest))


def _undone(running: RunningOperation, task: HostTask, undone: Undone) -> Outcome:
    """The end of what makes a guest, where the worker died or the connection broke on the way."""
    if not undone.is_over:
        return Outcome(OperationState.UNKNOWN, settled=False)
    if undone.guest is not None:
        return _was_made(running, task, undone.guest)
    sentences = [_("Nobody saw the end of this, so it was undone.")]
    if undone.deleted:
        sentences.append(_("Deleted was what it had made: %(volumes)s.") % {"volumes": ", ".join(undone.deleted)})
    if undone.remains:
        text = _("This could not be taken back, and remains on the host: %(what)s.")
        sentences.append(text % {"what": ", ".join(undone.remains)})
    after = {"deleted": undone.deleted, "remains": undone.remains}
    return Outcome(OperationState.FAILED, " ".join(sentences), after=after)


def _was_made(running: RunningOperation, task: HostTask, uuid: UUID) -> Outcome:
    """All but the start is done once the host knows the guest."""
    read_at = time.monotonic()
    guest = get_guest(task.connection, uuid)
    task.inventory.refresh(guest, read_at)
    row = Guest.objects.filter(host=task.host, uuid=uuid).first()
    if row is not None and running.operation.guest is None:
        running.made(row)
    after = {"guest": str(row.pk) if row else "", "uuid": str(uuid), "state": str(guest.state)}
    if task.parameters.get("start") and not guest.state.is_active:
        text = _("%(guest)s was made, but nobody saw it start: start it yourself.")
        return Outcome(OperationState.FAILED, text % {"guest": guest.name}, after=after)
    return Outcome(OperationState.DONE, _("Read back from the host after the connection broke."), after=after)


def _told(reached: bool | None, after: dict[str, object]) -> Outcome:
    """The end, by what the host says now."""
    if reached is None:
        return Outcome(
            OperationState.UNKNOWN, _("Nobody saw what came of this, and the host cannot tell."), after=after
        )
    if reached:
        return Outcome(OperationState.DONE, _("Read back from the host after the connection broke."), after=after)
    return Outcome(
        OperationState.FAILED, _("The connection broke, and the host says that this did not happen."), after=after
    )


def _state_and_sizes(guest: resources.Guest) -> dict[str, object]:
    now = guest.definition
    return {
        "state": str(guest.state),
        "current_kib": now.memory.current_kib,
        "maximum_kib": now.memory.maximum_kib,
        "vcpus_current": now.vcpus.current,
        "vcpus_maximum": now.vcpus.maximum,
    }
