"""Cloning a guest: its disks are copied, or the clone's lie over them; all else of it is new or shared.

full    every disk that the guest writes to is copied within its pool; afterwards the two have nothing in common
linked  the clone's disks keep only the differences: what the source has on its disks must never change again, so the
        source is not started any more while there are such clones
A guest that runs can be copied only, where its hypervisor can tell all its disks as of one moment: QEMU.
CD images and read-only disks are shared. When a step fails, those before it are undone.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action, may_on
from guests.errors import HypervisorError, HypervisorUnreachable, OperationRefused
from guests.hypervisor import cloning as hypervisor
from guests.hypervisor import new_volumes, running_copy, writing
from guests.hypervisor.cloning import Base, ClonedDisk
from guests.hypervisor.connection import Connection
from guests.hypervisor.new_guest import NAME, has_guest_named
from guests.hypervisor.new_volumes import Place
from guests.inventory.models import Guest
from guests.inventory.storage import keep_format
from guests.operations.clone_rules import (
    cloned_disks,
    room_missing,
    volume_name,
    why_no_clone,
    why_not_copied,
    why_not_linked,
    why_not_linked_at_all,
)
from guests.operations.half_made import making
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.long_call import own_connection, run_long_call
from guests.operations.mac_pools import reserve_mac
from guests.operations.resizing import refuse_if_changed
from guests.operations.stored_disks import StoredDisk
from guests.operations.ways_back import WayBack, take_back

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

LOOK_SECONDS = 0.5


class _Clone:
    """One clone under way: what was made so far, each with its way back."""

    def __init__(self, task: Task, connection: Connection) -> None:
        self.task, self.connection = task, connection
        self.name, self.uuid = str(task.parameters.get("name")), uuid4()
        self.linked, self.disks = bool(task.parameters.get("linked")), cloned_disks(task.row)
        self.runs = task.guest.state.is_active
        self.ways_back: list[WayBack] = []
        self.volumes: list[str] = []
        self.total = 0 if self.linked else sum(disk.allocation or 0 for disk in self.disks)
        self.done = 0

    def run(self) -> dict[str, Any]:
        """Make it all, or nothing."""
        self._refuse()
        macs = [reserve_mac(self.task.row) for _nic in self._next_boot().nics]
        self.task.progress.sending()
        try:
            made = self._running_copies() if self.runs else {disk.target: self._disk(disk) for disk in self.disks}
            self.task.progress.will_make_guest(self.uuid)
            hypervisor.define_clone(
                self.connection, self.task.uuid, uuid=self.uuid, name=self.name, macs=macs, disks=made
            )
            self.ways_back.append((_("the definition"), lambda: hypervisor.undefine_clone(self.connection, self.uuid)))
            if self.task.parameters.get("start"):
                writing.start(self.connection, self.uuid)
        except HypervisorUnreachable:
            raise  # nothing can be undone
        except HypervisorError as error:
            raise OperationRefused(f"{error} {take_back(self.ways_back)}", detail=error.detail) from error
        finally:
            self.task.read_pools({disk.volume.pool.uuid for disk in self.disks if disk.volume})
        row = self.task.read_guest(self.uuid)
        return {
            "name": self.name,
            "guest": str(row.pk) if row else "",
            "uuid": str(self.uuid),
            "linked": self.linked,
            "volumes": self.volumes,
            "macs": macs,
        }

    def _next_boot(self) -> resources.Definition:
        definition = self.task.guest.next_boot
        assert definition is not None  # `why_no_clone`: it is persistent
        return definition

    def _refuse(self) -> None:
        """What does not fit (any more)."""
        refuse_if_changed(self.task)
        if why := why_no_clone(self.task.guest, self.task.row.host.driver):
            raise OperationRefused(why)
        if not NAME.fullmatch(self.name):
            raise OperationRefused(
                _("A name has letters, digits, “_”, “.” and “-”, begins with a letter or digit, and ends after 63."),
                field="name",
            )
        if has_guest_named(self.connection, self.name):
            names = {"host": self.task.row.host.name, "guest": self.name}
            raise OperationRefused(_("%(host)s has a guest %(guest)s already.") % names, field="name")
        known = {(disk.target, disk.source) for disk in self.disks}
        definitions = [definition for definition in (self.task.guest.live, self.task.guest.next_boot) if definition]
        if any(known != _written_in(definition) for definition in definitions):
            raise OperationRefused(_("The disks of this guest changed since you opened the form: look at it again."))
        for disk in self.disks:
            if why := why_not_linked(disk) if self.linked else why_not_copied(disk):
                raise OperationRefused(f"{disk.target}: {why}")
            if not self.runs:  # a hypervisor that runs it reads it in the format of its definition
                self._refuse_disguised(disk)
        if self.linked and (why := why_not_linked_at_all(self.task.guest)):
            raise OperationRefused(why)
        if not self.linked and (why := room_missing(self.disks)):
            raise OperationRefused(why)

    def _refuse_disguised(self, disk: StoredDisk) -> None:
        """A guest can write into a raw disk what looks like a qcow2 image over a file of the host: copied, that file
        would be in the clone.
        """
        assert disk.volume is not None
        seen = new_volumes.get_volume(self.connection, (disk.volume.pool.uuid, disk.volume.name))
        if seen.format != disk.format or seen.path != disk.path:
            text = _("%(target)s is used as %(format)s, but what is in it looks like %(seen)s: it is not copied.")
            raise OperationRefused(text % {"target": disk.target, "format": disk.format, "seen": seen.format})

    def _disk(self, disk: StoredDisk) -> ClonedDisk:
        volume = disk.volume
        assert volume is not None
        source: Place = (volume.pool.uuid, volume.name)
        place: Place = (volume.pool.uuid, volume_name(self.name, disk, linked=self.linked))
        found = new_volumes.get_volume(self.connection, source)
        with making(self.task.progress, self.connection, place):
            if self.linked:
                new_volumes.link_disk(
                    self.connection, place, source, image_format=disk.format, capacity_bytes=found.capacity_bytes
                )
            else:
                self._copy(place, source, disk)
        format = "qcow2" if self.linked else disk.format
        self._made_volume(disk, place, format)
        made = new_volumes.get_volume(self.connection, place)
        self._refuse_if_cancelled()  # libvirt has no call that ends a copy
        base = Base(found.kind, found.path, disk.format, is_whole=not found.backing_path) if self.linked else None
        return ClonedDisk(made.kind, made.path, format, base)

    def _made_volume(self, disk: StoredDisk, place: Place, format: str) -> None:
        assert disk.volume is not None
        self.volumes.append(f"{disk.volume.pool.name}/{place[1]}")
        self.ways_back.append((self.volumes[-1], lambda: new_volumes.delete_volume(self.connection, place)))
        keep_format(self.task.inventory.lease, place[0], place[1], format)

    def _running_copies(self) -> dict[str, ClonedDisk]:
        """Volumes for all disks, filled together with what these hold at one moment."""
        made = {}
        for disk in self.disks:
            assert disk.volume is not None
            place: Place = (disk.volume.pool.uuid, volume_name(self.name, disk, linked=False))
            size = running_copy.size_of_disk(self.connection, self.task.uuid, disk.target)
            with making(self.task.progress, self.connection, place):
                volume = new_volumes.make_disk(self.connection, place, capacity_bytes=size, format=disk.format)
            self._made_volume(disk, place, disk.format)
            made[disk.target] = ClonedDisk(volume.kind, volume.path, disk.format)
        if made:
            running_copy.begin_copy(self.connection, self.task.uuid, made)
            self._wait_for_copies()
        return made

    def _wait_for_copies(self) -> None:
        try:
            while (progress := running_copy.copy_under_way(self.task.connection, self.task.uuid)) is not None:
                self.task.progress.under_way(*progress)
                if self.task.progress.is_cancelled():
                    self._end_copies()
                self.task.next_event(LOOK_SECONDS)
        except HypervisorError:
            self._end_copies()  # before what they fill is deleted
            raise
        self._refuse_if_cancelled()
        running_copy.refuse_failed_copy(self.connection, self.task.uuid)

    def _end_copies(self) -> None:
        with suppress(HypervisorError):  # over already, or not to be ended just now: asked again
            writing.abort_job(self.connection, self.task.uuid)

    def _refuse_if_cancelled(self) -> None:
        if self.task.progress.is_cancelled():
            raise OperationRefused(_("Cancelled."))

    def _copy(self, place: Place, source: Place, disk: StoredDisk) -> None:
        def tell() -> None:
            try:
                so_far = new_volumes.get_volume(self.task.connection, place).allocation_bytes
            except HypervisorError:
                return  # not begun yet
            self.task.progress.under_way(min(self.total, self.done + so_far), self.total)

        self.task.progress.under_way(self.done, self.total)
        run_long_call(
            self.task,
            lambda: new_volumes.copy_disk(self.connection, place, source, format=disk.format),
            tell=tell,
        )
        self.done += disk.allocation or 0


def _written_in(definition: resources.Definition) -> set[tuple[str, str]]:
    """Target and source of each disk that a guest writes to."""
    return {
        (disk.target, disk.source)
        for disk in definition.disks
        if disk.source and not disk.readonly and disk.device != "cdrom"
    }


def _clone(task: Task) -> dict[str, Any]:
    with own_connection(task) as connection:
        return _Clone(task, connection).run()


def _made_nothing(_guest: resources.Guest, _parameters: dict[str, Any]) -> bool | None:
    """What it makes is written down before (`half_made`), and `undoing` tells what came of that: here was none."""
    return False


def _no_new_guests(by: AbstractBaseUser, guest: Guest, _parameters: dict[str, Any]) -> str:
    """A right on a guest is none to make others."""
    if not may_on(by, Action.CREATE, guest.host):
        return _("You may not make new guests on %(host)s.") % {"host": guest.host.name}
    return ""


CLONE_GUEST = register(
    OperationKind(
        "clone_guest",
        gettext_lazy("Clone"),
        Action.DEVICES,
        _clone,
        _made_nothing,
        refusal=_no_new_guests,
        cancellable=True,
    )
)
