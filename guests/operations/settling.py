"""Operations whose outcome nobody saw: of a worker that died, or of a connection that broke. They are never repeated:
the host is asked what came of them.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from guests import resources
from guests.errors import GuestNotFound
from guests.hypervisor.connection import Connection
from guests.hypervisor.reading import get_guest
from guests.inventory.host_inventory import HostInventory
from guests.inventory.leases import Lease
from guests.operations.host_kinds import HostOperationKind, kind_of
from guests.operations.models import Operation, OperationState
from guests.operations.running import Outcome, RunningOperation, end_operation, host_task, read_again


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
    """Ask the host what came of unknown operations; answers how many were settled. Raises HypervisorError."""
    unsettled = Operation.objects.filter(
        host_id=lease.host_id, state=OperationState.UNKNOWN, ended_at__isnull=True
    ).select_related("guest__host", "host", "asked_by")
    for operation in unsettled:
        with translation.override(operation.language or settings.LANGUAGE_CODE):
            running = RunningOperation(lease, operation)
            running.end(_found_out(running, connect, inventory))
            read_again(running, connect, inventory)
    return len(unsettled)


def _found_out(running: RunningOperation, connect: Callable[[], Connection], inventory: HostInventory) -> Outcome:
    operation = running.operation
    kind, row = kind_of(operation), operation.guest
    if isinstance(kind, HostOperationKind):
        return _told(kind.reached(host_task(operation, connect, inventory, running)), {})
    if kind is None or row is None:
        return Outcome(OperationState.UNKNOWN, _("Nobody saw what came of this."))
    try:
        guest = get_guest(connect(), row.uuid, snapshots=True)
    except GuestNotFound as error:
        if row.host_id != operation.host_id and operation.parameters.get("to") == row.host.name:
            return Outcome(OperationState.DONE, _("It is on %(host)s now.") % {"host": row.host.name})
        return Outcome(OperationState.UNKNOWN, _("Nobody saw what came of this, and the guest is gone."), error.detail)
    return _told(kind.reached(guest, operation.parameters), _state_and_sizes(guest))


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
