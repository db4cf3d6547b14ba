"""Disks: attach a volume or an empty drive, detach. What a disk is stored in stays when it is taken away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.access.volumes import may_give
from guests.errors import OperationRefused
from guests.hypervisor import writing
from guests.hypervisor.reading import get_guest
from guests.inventory.models import Guest
from guests.inventory.storage import Volume
from guests.operations.disk_buses import HOT_PLUGGED, buses, next_target
from guests.operations.given_volumes import GivenVolume, find_volume, given, row_of
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.resizing import live_definition, targets
from guests.operations.unplugging import wait_until_gone
from guests.resources import Disk

DEVICES = {"disk", "cdrom"}
CACHES = ("", "none", "writeback", "writethrough", "directsync")


def _add(task: Task) -> dict[str, Any]:
    live, next_boot = targets(task)
    disk = _wanted(task, live=live)
    if disk.device == "cdrom" and not task.parameters.get("volume"):
        return _attach(task, disk, live=live, next_boot=next_boot)
    volume = find_volume(task)
    with given(task, volume, writes=not disk.readonly, shareable=disk.shareable):
        return _attach(task, _stored_in(disk, volume), live=live, next_boot=next_boot)


def _attach(task: Task, disk: Disk, *, live: bool, next_boot: bool) -> dict[str, Any]:
    task.progress.sending()
    if live:
        writing.add_disk(task.connection, task.uuid, disk, live=True)
    if next_boot:
        writing.add_disk(task.connection, task.uuid, disk, live=False)
    return {"target": disk.target, **after(task)}


def _wanted(task: Task, *, live: bool) -> Disk:
    """What is asked for, with its place on a bus of this guest and stored in nothing yet."""
    asked = task.parameters
    device, bus, cache = asked.get("device"), asked.get("bus"), asked.get("cache", "")
    if device not in DEVICES:
        raise OperationRefused(_("A hard disk or a CD-ROM drive can be added."), field="device")
    if bus not in buses(task.guest.definition, device):
        raise OperationRefused(_("A guest like this has no such bus for it."), field="bus")
    if live and bus not in HOT_PLUGGED:
        raise OperationRefused(
            _("Nothing is plugged into this bus while a guest runs: choose the next boot."), field="bus"
        )
    if cache not in CACHES:
        raise OperationRefused(_("There is no such way to cache."), field="cache")
    definitions = [definition for definition in (task.guest.live, task.guest.next_boot) if definition]
    target = next_target(bus, {disk.target for definition in definitions for disk in definition.disks})
    if not target:
        raise OperationRefused(_("This bus has no place left."), field="bus")
    return Disk(
        target=target,
        device=device,
        bus=bus,
        source_kind="",
        source="",
        format="raw",
        readonly=device == "cdrom" or bool(asked.get("readonly")),
        shareable=device == "disk" and bool(asked.get("shareable")),
        cache="" if device == "cdrom" else cache,
    )


def _stored_in(disk: Disk, volume: GivenVolume) -> Disk:
    """On storage that other hosts see the page cache of one of them would lie: there the host caches nothing."""
    caches_nothing = not disk.cache and disk.device == "disk" and volume.is_shared_storage
    return replace(
        disk,
        source_kind=volume.kind,
        source=volume.path,
        format=volume.format,
        cache="none" if caches_nothing else disk.cache,
    )


def _remove(task: Task) -> dict[str, Any]:
    """Live, the guest has to let go of it: waited for, at most `UNPLUG_SECONDS`."""
    target = target_of(task)
    live, next_boot = targets(task)
    refuse_if_changed(task, target)
    later = task.guest.next_boot and named(task.guest.next_boot, target)
    now = named(live_definition(task), target) if live else None
    if not now and not (next_boot and later):
        raise OperationRefused(_("This guest has no disk %(target)s (any more).") % {"target": target})
    if now and now.bus not in HOT_PLUGGED:
        raise OperationRefused(_("Nothing is unplugged from this bus while a guest runs: choose the next boot."))
    task.progress.sending()
    if next_boot and later:
        writing.remove_disk(task.connection, task.uuid, target, live=False)
    if now:
        writing.remove_disk(task.connection, task.uuid, target, live=True)
        wait_until_gone(
            task,
            target,
            named,
            cancelled=_("Nobody waits for it any more. The guest may still let go of the disk."),
            kept=_("%(guest)s did not let go of %(target)s within %(seconds)d s. Its next boot is without it.")
            if task.parameters.get("next_boot")
            else _("%(guest)s did not let go of %(target)s within %(seconds)d s."),
        )
    return after(task)


def target_of(task: Task) -> str:
    """The disk that is meant: its target, which names it in this guest."""
    target = task.parameters.get("target")
    if not isinstance(target, str) or not target:
        raise OperationRefused(_("Say which disk."))
    return target


def named(definition: resources.Definition, target: str) -> Disk | None:
    """The disk of a definition that has this target."""
    return next((disk for disk in definition.disks if disk.target == target), None)


def refuse_if_changed(task: Task, target: str) -> None:
    """`before`: {source: of this disk as the form showed it}."""
    shown = task.before.get("source")
    found = named(task.guest.definition, target) or (task.guest.next_boot and named(task.guest.next_boot, target))
    if shown is not None and found and found.source != shown:
        raise OperationRefused(_("This disk changed since you opened the form."), field="volume")


def after(task: Task) -> dict[str, Any]:
    """The disks as read back: [[target, source]] now and at the next boot."""
    guest = get_guest(task.connection, task.uuid)
    return {
        "disks": _listed(guest.live),
        "next_boot_disks": _listed(guest.next_boot),
        "waits_for_boot": guest.state.is_active and not task.parameters.get("live"),
    }


def _listed(definition: resources.Definition | None) -> list[list[str]] | None:
    return [[disk.target, disk.source] for disk in definition.disks] if definition else None


def asked_definitions(guest: resources.Guest, parameters: dict[str, Any]) -> list[resources.Definition]:
    """Those that an operation was to change, as they are."""
    asked = [(parameters.get("live"), guest.live), (parameters.get("next_boot"), guest.next_boot)]
    return [definition for is_asked, definition in asked if is_asked and definition]


def _removed(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    found = asked_definitions(guest, parameters)
    target = str(parameters.get("target"))
    return all(named(definition, target) is None for definition in found) if found else None


def stored(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    """Whether a disk has the volume that was asked for, in every definition that was to change; by the row's path."""
    found = asked_definitions(guest, parameters)
    if not found or not parameters.get("volume"):
        return None
    rows = Volume.objects.filter(pool__uuid=parameters["pool"], name=parameters["volume"])
    paths = set(rows.values_list("path", flat=True))
    return all(any(disk.source in paths for disk in definition.disks) for definition in found)


def closed_volume(by: AbstractBaseUser, guest: Guest, parameters: dict[str, Any]) -> str:
    """`OperationKind.refusal`: the volume must be one that this person may give this guest."""
    if not parameters.get("volume"):
        return ""
    row = row_of(guest, parameters)
    writes = parameters.get("device") == "disk" and not parameters.get("readonly")  # a medium is read only
    if row is not None and may_give(by, guest, row, writes=writes):
        return ""
    return _("You may give this guest only volumes of guests that you administrate, and CD images to read.")


ADD_DISK = register(
    OperationKind("add_disk", gettext_lazy("Add a disk"), Action.DEVICES, _add, stored, refusal=closed_volume)
)
REMOVE_DISK = register(
    OperationKind("remove_disk", gettext_lazy("Take out a disk"), Action.DEVICES, _remove, _removed, cancellable=True)
)
