"""Migration: the guest goes to another host of the site; whatever fails or is cancelled leaves it where it was."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action, may_on
from guests.errors import HypervisorError, HypervisorUnreachable, OperationRefused
from guests.hypervisor import writing
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.migrating import reachable_address
from guests.inventory.models import Guest, Host
from guests.operations.destinations import destinations_of_hosts, why_it_stays
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.long_call import Aborted, run_long_call
from guests.operations.resizing import refuse_if_changed
from guests.operations.stored_disks import base_of_others

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

ROW_SECONDS = 5.0  # until the inventory knows, at most: the page then shows the end and the new host together


def _migrate(task: Task) -> dict[str, Any]:
    host = _destination(task)
    opened: list[Connection] = []
    try:
        # Connections of its own: the call takes as long as the guest is large, and nobody else waits for it.
        for uri in (task.row.host.uri, host.uri):
            opened.append(open_connection(uri))
        task.progress.sending()
        _call(task, host, *opened)
    except HypervisorUnreachable as error:
        if len(opened) < 2:
            raise OperationRefused(
                _("%(host)s does not answer: nothing was changed.") % {"host": host.name if opened else task.row.host},
                detail=error.detail,
            ) from error
        raise
    finally:
        for connection in opened:
            connection.close()
    _wait_for_the_row(task, host)
    return {"host": host.name, "state": str(task.guest.state)}


def _destination(task: Task) -> Host:
    """The host that was asked for; refused at the field where the guest does not fit (any more)."""
    shown = task.before.get("host")
    if shown not in {None, task.row.host.name}:
        raise OperationRefused(
            _("%(guest)s is on another host since you opened the form.") % {"guest": task.guest.name}
        )
    refuse_if_changed(task)
    if task.guest.saved:
        text = _("%(guest)s is saved to the disk of its host: restore it or discard that first.")
        raise OperationRefused(text % {"guest": task.guest.name})
    if base_of_others(task.row):
        text = _("Linked clones lie over the disks of %(guest)s: it stays beside them.")
        raise OperationRefused(text % {"guest": task.guest.name})
    host = Host.objects.filter(name=str(task.parameters.get("to")), enabled=True).exclude(pk=task.row.host_id).first()
    if host is None:
        raise OperationRefused(_("There is no such host."), field="to")
    if why_not := why_it_stays(task.row) or destinations_of_hosts(task.row, [host])[0].why_not:
        raise OperationRefused(why_not, field="to")
    return host


def _call(task: Task, host: Host, here: Connection, there: Connection) -> None:
    address = settings.MIGRATION_ADDRESSES.get(host.name) or reachable_address(there)
    names = {"guest": task.guest.name, "host": task.row.host.name}
    try:
        run_long_call(
            task,
            lambda: writing.migrate(
                here,
                there,
                task.uuid,
                address=address,
                copy_storage=bool(task.parameters.get("copy_storage")),
                slow_down=bool(task.parameters.get("slow_down")),
            ),
        )
    except Aborted as error:
        raise OperationRefused(_("Cancelled: %(guest)s stays on %(host)s.") % names, detail=error.detail) from error
    except HypervisorUnreachable:
        raise
    except HypervisorError as error:
        names["why"] = str(error)
        raise OperationRefused(_("%(guest)s stays on %(host)s. %(why)s") % names, detail=error.detail) from error


def _wait_for_the_row(task: Task, host: Host) -> None:
    deadline = time.monotonic() + ROW_SECONDS
    while time.monotonic() < deadline:
        if Guest.objects.filter(pk=task.row.pk, host=host).exists():
            return
        time.sleep(0.05)


def _reached(_guest: resources.Guest, _parameters: dict[str, Any]) -> bool | None:
    """Asked of the host that it was to leave: a guest that is still there did not go."""
    return False


def _forbidden(by: AbstractBaseUser, guest: Guest, parameters: dict[str, Any]) -> str:
    """A right on the guest is not one on the other host."""
    host = Host.objects.filter(name=str(parameters.get("to"))).first()
    if host is not None and not may_on(by, Action.MIGRATE, host):
        return _("You may not bring guests to %(host)s.") % {"host": host.name}
    return ""


MIGRATE = register(
    OperationKind(
        "migrate",
        gettext_lazy("Migrate"),
        Action.MIGRATE,
        _migrate,
        _reached,
        cancellable=True,
        refusal=_forbidden,
    )
)
