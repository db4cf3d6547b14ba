"""A disk becomes larger: while its guest runs, which sees it at once, and at rest, where its volume grows."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.access import Action
from guests.errors import OperationRefused
from guests.hypervisor import writing
from guests.hypervisor.pools import free_bytes
from guests.hypervisor.volumes import get_volume, grow_volume
from guests.inventory.disk_uses import volume_paths
from guests.inventory.storage import Volume, looks_otherwise, volumes_by_path
from guests.inventory.volume_uses import overlays_of, uses_of, uses_on
from guests.operations.disks import named, refuse_if_changed, target_of
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.resizing import whole_number
from guests.operations.stored_disks import base_of_others
from guests.resources import Disk
from guests.units import size_text


def _grow(task: Task) -> dict[str, Any]:
    """Live the guest sees it at once; at rest its volume grows."""
    target, size = target_of(task), whole_number(task.parameters, "bytes", "size")
    refuse_if_changed(task, target)
    disk = named(task.guest.definition, target)
    if disk is None or not disk.source:
        raise OperationRefused(_("This guest has no disk %(target)s (any more).") % {"target": target})
    if disk.readonly or disk.device != "disk":
        raise OperationRefused(_("What is only read cannot grow."))
    path = volume_paths(task.row.host).path_of(disk)
    volume = volumes_by_path(task.row.host, [path]).get(path)
    before = _capacity(task, disk, volume)
    if size <= before:
        raise OperationRefused(
            _("It has %(size)s: a disk can only become larger.") % {"size": size_text(before)}, field="size"
        )
    _refuse_where_others_look(task, disk, volume)
    if volume is not None and size - before > (free := free_bytes(task.connection, volume.pool.uuid)):
        raise OperationRefused(_("Its pool has %(size)s free.") % {"size": size_text(free)}, field="size")
    task.progress.sending()
    if volume is not None and (not _runs(task) or volume.kind == "block"):
        grow_volume(task.connection, volume.pool.uuid, volume.name, size)  # QEMU makes files larger, no devices
    if _runs(task):
        writing.grow_disk(task.connection, task.uuid, target, size)
    return {"from_bytes": before, "bytes": _capacity(task, disk, volume)}


def _runs(task: Task) -> bool:
    return task.guest.live is not None and task.guest.state.is_active


def _capacity(task: Task, disk: Disk, volume: Volume | None) -> int:
    """As large as a running guest sees it; at rest, as large as the volume is."""
    if _runs(task):
        return writing.disk_capacity(task.connection, task.uuid, disk.target)
    if volume is None:
        raise OperationRefused(_("It lies in no pool of its host: it can be made larger while the guest runs only."))
    return get_volume(task.connection, volume.pool.uuid, volume.name).capacity_bytes


def _refuse_where_others_look(task: Task, disk: Disk, volume: Volume | None) -> None:
    """Its size is one for all: no other guest, and nothing that lies over it, expects it to change."""
    if volume is None:
        return
    if overlays_of(volume) or disk.target in base_of_others(task.row):
        raise OperationRefused(_("Other volumes keep only their differences to it: it has to stay as it is."))
    if any(use.guest_id != task.row.pk for use in uses_of(volume, uses_on(task.row.host))):
        raise OperationRefused(_("Another guest uses it, too."))
    seen = get_volume(task.connection, volume.pool.uuid, volume.name).format
    if not _runs(task) and looks_otherwise(volume.format, seen):
        raise OperationRefused(_("Its content looks like another format than it has: it is not touched."))


# How large a disk is no definition tells.
GROW_DISK = register(
    OperationKind("grow_disk", gettext_lazy("Grow a disk"), Action.DEVICES, _grow, lambda _guest, _parameters: None)
)
