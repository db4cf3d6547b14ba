"""Deleting a guest: its definition, and of its disks those that were chosen and that nobody else uses.

The row stays with its history and is marked as gone. There is no way back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action, may_on
from guests.errors import HypervisorError, HypervisorUnreachable, OperationRefused
from guests.hypervisor import deleting as hypervisor
from guests.hypervisor import writing
from guests.hypervisor.pools import get_pool
from guests.hypervisor.reading import list_guests
from guests.inventory.models import Guest
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.resizing import refuse_if_changed
from guests.operations.stored_disks import StoredDisk, stored_disks, why_not_forgotten

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


def _delete(task: Task) -> dict[str, Any]:
    names = {"guest": task.guest.name}
    if task.guest.privileged:
        raise OperationRefused(_("%(guest)s is its host: it cannot be deleted.") % names)
    refuse_if_changed(task)
    if why := why_not_forgotten(task.row):
        raise OperationRefused(why)
    if task.guest.state.is_active and not task.parameters.get("force_off"):
        raise OperationRefused(_("%(guest)s runs: shut it off first, or have it forced off.") % names)
    chosen = _chosen(task)
    _refuse_used(task, chosen)
    task.progress.sending()
    if task.guest.state.is_active:
        writing.force_off(task.connection, task.uuid)
    if task.guest.persistent:  # a transient one is gone once it is off
        hypervisor.undefine(task.connection, task.uuid)
    deleted, kept, why = _delete_volumes(task, chosen)
    task.read_pools({disk.volume.pool.uuid for disk in chosen if disk.volume})
    if kept:
        raise OperationRefused(
            _("%(guest)s was deleted, but not all of its disks. These remain: %(volumes)s. %(why)s")
            % {**names, "volumes": ", ".join(kept), "why": why},
        )
    return {"state": "deleted", "deleted": deleted}


def _chosen(task: Task) -> list[StoredDisk]:
    """The disks that were chosen, each still what the form showed."""
    targets = task.parameters.get("disks") or []
    shown = task.before.get("disks") or {}
    by_target = {disk.target: disk for disk in stored_disks(task.row)}
    definitions = [definition for definition in (task.guest.live, task.guest.next_boot) if definition]
    now = {(disk.target, disk.source) for definition in definitions for disk in definition.disks}
    chosen = []
    for target in targets:
        disk = by_target.get(target)
        if disk is None or shown.get(target) != disk.path or (target, disk.source) not in now:
            text = _("%(target)s is not what it was when you opened the form: nothing was deleted.")
            raise OperationRefused(text % {"target": target}, field="disks")
        if disk.why_kept:
            raise OperationRefused(f"{target}: {disk.why_kept} {_('Nothing was deleted.')}", field="disks")
        chosen.append(disk)
    return chosen


def _refuse_used(task: Task, chosen: list[StoredDisk]) -> None:
    """Once more, by what the host itself tells now: of all its guests, and of the pools that are to lose a volume."""
    if not chosen:
        return
    others = [guest for guest in list_guests(task.connection) if guest.uuid != task.uuid]
    definitions = [d for guest in others for d in (guest.live, guest.next_boot) if d]
    used = {path for definition in definitions for disk in definition.disks for path in (disk.source, *disk.backing)}
    pools = {disk.volume.pool.uuid for disk in chosen if disk.volume}
    volumes = [volume for pool in pools for volume in get_pool(task.connection, pool).volumes or ()]
    used |= {volume.backing_path for volume in volumes if volume.backing_path}
    for disk in chosen:
        if used & {disk.path, disk.source, disk.place}:
            text = _("%(target)s is used by somebody else, too: nothing was deleted.")
            raise OperationRefused(text % {"target": disk.target}, field="disks")


def _delete_volumes(task: Task, chosen: list[StoredDisk]) -> tuple[list[dict[str, Any]], list[str], str]:
    """What was deleted, the places of what remains, and the first reason for that."""
    deleted: list[dict[str, Any]] = []
    kept: list[str] = []
    why = ""
    for disk in chosen:
        volume = disk.volume
        assert volume is not None  # `why_kept` tells otherwise
        try:
            hypervisor.delete_volume(task.connection, volume.pool.uuid, volume.name, volume.path)
        except HypervisorUnreachable:
            raise
        except HypervisorError as error:
            kept.append(disk.place)
            why = why or str(error)
        else:
            deleted.append({"target": disk.target, "volume": disk.place, "bytes": disk.allocation})
    return deleted, kept, why


def _is_gone(_guest: resources.Guest, _parameters: dict[str, Any]) -> bool | None:
    """It is still there: it was not deleted."""
    return False


def _storage_of_others(by: AbstractBaseUser, guest: Guest, parameters: dict[str, Any]) -> str:
    """A volume belongs to its host: who deletes one must be administrator of that as a whole."""
    if parameters.get("disks") and not may_on(by, Action.STORAGE, guest.host):
        return _("Only who administrates the whole host may delete volumes: leave its disks where they are.")
    return ""


DELETE_GUEST = register(
    OperationKind(
        "delete_guest",
        gettext_lazy("Delete"),
        Action.DEVICES,
        _delete,
        _is_gone,
        refusal=_storage_of_others,
    )
)
