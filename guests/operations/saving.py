"""Saving a guest to its host's disk and throwing that away; starting it restores it (`power.START`)."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.errors import OperationRefused
from guests.hypervisor import writing
from guests.hypervisor.reading import get_guest
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.long_call import Aborted, own_connection, run_long_call


def _save(task: Task) -> dict[str, Any]:
    names = {"guest": task.guest.name}
    if task.guest.privileged:
        raise OperationRefused(_("%(guest)s is its host: it cannot be saved.") % names)
    if not task.guest.persistent:
        raise OperationRefused(_("%(guest)s is transient: once stopped it would be gone with what was saved.") % names)
    with own_connection(task) as connection:
        task.progress.sending()
        try:
            run_long_call(task, lambda: writing.save(connection, task.uuid))
        except Aborted as error:
            raise OperationRefused(_("Cancelled: %(guest)s goes on.") % names, detail=error.detail) from error
    return _after(task)


def _discard(task: Task) -> dict[str, Any]:
    task.progress.sending()
    writing.discard_saved(task.connection, task.uuid)
    return _after(task)


def _after(task: Task) -> dict[str, Any]:
    guest = get_guest(task.connection, task.uuid)
    return {"state": str(guest.state), "saved": guest.saved}


def _is_saved(guest: resources.Guest, _parameters: dict[str, Any]) -> bool | None:
    return guest.saved


def _is_discarded(guest: resources.Guest, _parameters: dict[str, Any]) -> bool | None:
    return not guest.saved


SAVE = register(OperationKind("save", gettext_lazy("Save to disk"), Action.POWER, _save, _is_saved, cancellable=True))
DISCARD_SAVED = register(
    OperationKind("discard_saved", gettext_lazy("Discard what was saved"), Action.POWER, _discard, _is_discarded)
)
