"""What can be cloned, how, and why not: by the rows, without asking a host."""

from __future__ import annotations

from django.utils.translation import gettext as _

from guests import resources
from guests.inventory.models import Guest
from guests.operations.stored_disks import StoredDisk, stored_disks
from guests.units import size_text

FILE_POOLS = {"dir", "fs", "netfs"}
COPIED = {"raw", "qcow2"}


def why_no_clone(guest: Guest | resources.Guest, driver: str) -> str:
    """Why the guest cannot be cloned now, whatever its disks are; "" where it can."""
    names = {"guest": guest.name}
    if guest.privileged:
        return _("%(guest)s is its host: there is no clone of it.") % names
    if not guest.persistent:
        return _("%(guest)s is transient: there is no definition to clone.") % names
    if resources.GuestState(guest.state).is_active and driver.lower() != "qemu":
        return _("%(guest)s runs, and what it has in memory is not on its disks: shut it off first.") % names
    if guest.saved:
        return _("%(guest)s is saved to the disk of its host: restore it or discard that first.") % names
    return ""


def why_not_copied(disk: StoredDisk) -> str:
    """Why the disk of a clone cannot be made from this one; "" where it can."""
    if disk.shareable:
        return _("It is shared with other guests: take it out first, and give it to the clone afterwards.")
    if disk.volume is None or not disk.volume.pool.active:
        return _("It lies in no active storage pool of the host.")
    if disk.format not in COPIED:
        return _("Its format is %(format)s; raw and qcow2 can be copied.") % {"format": disk.format or "?"}
    return ""


def why_not_linked_at_all(guest: Guest | resources.Guest) -> str:
    """Why nothing can lie over the disks of this guest; "" where it can."""
    names = {"guest": guest.name}
    if resources.GuestState(guest.state).is_active:
        return _("%(guest)s runs, and goes on changing its disks: shut it off first.") % names
    if guest.autostart:
        return (
            _("%(guest)s starts with its host, and must not start once others lie over its disks: end that first.")
            % names
        )
    return ""


def why_not_linked(disk: StoredDisk) -> str:
    """Why the disk of a clone cannot lie over this one; "" where it can."""
    if why := why_not_copied(disk):
        return why
    if disk.volume is not None and disk.volume.pool.kind not in FILE_POOLS:
        return _("Its pool keeps no qcow2 files.")
    return ""


def room_missing(disks: list[StoredDisk]) -> str:
    """Why copies of these disks have no room in their pools; "" where they have."""
    needed: dict[int, int] = {}
    pools = {disk.volume.pool.pk: disk.volume.pool for disk in disks if disk.volume}
    for disk in disks:
        if disk.volume:
            needed[disk.volume.pool.pk] = needed.get(disk.volume.pool.pk, 0) + (disk.allocation or 0)
    for pk, size in needed.items():
        if size > pools[pk].available_bytes:
            return _("The pool %(pool)s has %(free)s free, and the copies need %(needed)s.") % {
                "pool": pools[pk].name,
                "free": size_text(pools[pk].available_bytes),
                "needed": size_text(size),
            }
    return ""


def cloned_disks(guest: Guest) -> list[StoredDisk]:
    """The disks of its next boot that a clone needs of its own."""
    later = {(disk["target"], disk["source"]) for disk in (guest.next_boot or guest.definition).get("disks", [])}
    return [disk for disk in stored_disks(guest) if disk.is_written and (disk.target, disk.source) in later]


def volume_name(name: str, disk: StoredDisk, *, linked: bool) -> str:
    """How the volume of a clone's disk is called."""
    assert disk.volume is not None
    if disk.volume.pool.kind not in FILE_POOLS:
        return f"{name}-{disk.target}"
    return f"{name}-{disk.target}.{'qcow2' if linked or disk.format == 'qcow2' else 'img'}"
