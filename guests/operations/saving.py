"""Saving a guest to its host's disk and throwing that away; starting it restores it (`power.START`).

The last screen is kept beside it: so it can be told what was saved, for as long as it is.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.errors import HypervisorError, OperationRefused
from guests.hypervisor import writing
from guests.hypervisor.reading import get_guest
from guests.hypervisor.screenshots import take_screenshot
from guests.inventory.looking import Looked
from guests.inventory.pictures import store_picture
from guests.inventory.scaling import NoImage, scaled
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.long_call import Aborted, own_connection, run_long_call

logger = logging.getLogger(__name__)


def _save(task: Task) -> dict[str, Any]:
    names = {"guest": task.guest.name}
    if task.guest.privileged:
        raise OperationRefused(_("%(guest)s is its host: it cannot be saved.") % names)
    if not task.guest.persistent:
        raise OperationRefused(_("%(guest)s is transient: once stopped it would be gone with what was saved.") % names)
    screens: list[bytes] = []
    with own_connection(task) as connection:

        def save() -> None:
            with suppress(HypervisorError):  # a driver without screenshots, a guest without a screen
                screens.append(take_screenshot(connection, task.uuid))
            writing.save(connection, task.uuid)

        task.progress.sending()
        try:
            run_long_call(task, save)
        except Aborted as error:
            raise OperationRefused(_("Cancelled: %(guest)s goes on.") % names, detail=error.detail) from error
    for screen in screens:
        _keep(task, screen)
    return _after(task)


def _keep(task: Task, screen: bytes) -> None:
    guest = Looked(task.row.pk, task.uuid, task.row.domain_id)
    try:
        store_picture(task.inventory.lease, guest, hashlib.sha256(screen).hexdigest()[:32], scaled(screen))
    except NoImage as error:
        logger.info("no picture of guest %s: %s", task.uuid, error)


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
