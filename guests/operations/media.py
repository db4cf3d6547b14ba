"""Media: put into a drive, exchanged, ejected, now and at the next boot; by force where the guest locks the tray."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.errors import OperationRefused
from guests.hypervisor import writing
from guests.operations.disks import after, asked_definitions, closed_volume, named, refuse_if_changed, stored, target_of
from guests.operations.given_volumes import find_volume, given
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.resizing import targets
from guests.resources import Disk

DRIVES = {"cdrom"}  # a floppy is shown, and can be written: it stays as its definition has it


def _change(task: Task) -> dict[str, Any]:
    drives = _drives(task)
    volume = find_volume(task)
    with given(task, volume, writes=False, shareable=False):
        return _put(task, drives, volume.kind, volume.path, volume.format)


def _eject(task: Task) -> dict[str, Any]:
    return _put(task, _drives(task), "", "", "raw")


def _put(task: Task, drives: dict[bool, Disk], kind: str, path: str, format: str) -> dict[str, Any]:
    force = bool(task.parameters.get("force"))
    task.progress.sending()
    for live in sorted(drives, reverse=True):  # what runs first: a locked tray leaves the next boot as it was, too
        drive = replace(drives[live], source_kind=kind, source=path, format=format)
        writing.change_medium(task.connection, task.uuid, drive, live=live, force=force)
    return after(task)


def _drives(task: Task) -> dict[bool, Disk]:
    """The drive as it runs (True) and as the next boot has it (False), where it is there and was asked for."""
    target = target_of(task)
    live, next_boot = targets(task)
    refuse_if_changed(task, target)
    found = {}
    for is_live, asked, definition in ((True, live, task.guest.live), (False, next_boot, task.guest.next_boot)):
        disk = named(definition, target) if asked and definition else None
        if disk is not None and disk.device in DRIVES:
            found[is_live] = disk
    if not found:
        raise OperationRefused(_("This guest has no drive %(target)s (any more).") % {"target": target})
    return found


def _ejected(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    drives = [named(found, str(parameters.get("target"))) for found in asked_definitions(guest, parameters)]
    return all(drive is None or not drive.source for drive in drives) if drives else None


CHANGE_MEDIUM = register(
    OperationKind(
        "change_medium",
        gettext_lazy("Change a medium"),
        Action.DEVICES,
        _change,
        stored,
        refusal=closed_volume,
    )
)
EJECT = register(OperationKind("eject", gettext_lazy("Eject a medium"), Action.DEVICES, _eject, _ejected))
