"""Why a guest can have no snapshot, and how one is called: by the rows or by what was read, without asking a host."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from guests import resources
from guests.inventory.models import Guest
from guests.operations.stored_disks import stored_disks
from guests.resources import Definition, Disk, GuestState
from guests.units import size_text

MOST_DESCRIPTION = 1000
# QEMU also takes the number of a snapshot in its disk for a name: none of ours is only digits.
NAME = re.compile(r"(?!\d+$)[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
STATES = {GuestState.RUNNING, GuestState.IDLE, GuestState.PAUSED, GuestState.SHUT_OFF}
AS_IT_WAS, RUNNING, PAUSED = "as-it-was", "running", "paused"
THEN = {AS_IT_WAS: None, RUNNING: GuestState.RUNNING, PAUSED: GuestState.PAUSED}


def why_no_snapshot(guest: Guest | resources.Guest, definition: Definition, driver: str) -> str:
    """Why no snapshot of the guest can be taken now; "" where one can."""
    if why := why_none_at_all(guest, definition, driver):
        return why
    names = {"guest": guest.name}
    if guest.saved:
        return _("%(guest)s is saved to the disk of its host: restore it or discard that first.") % names
    if guest.state not in STATES:
        return _("A snapshot is taken while %(guest)s runs, is paused or is shut off.") % names
    return ""


def why_none_at_all(guest: Guest | resources.Guest, definition: Definition, driver: str) -> str:
    """Why the guest, as it is made, can have no snapshots; "" where it can."""
    names = {"guest": guest.name}
    if driver.lower() not in {"qemu", "test"}:
        return _("The driver of this host, %(driver)s, has no snapshots.") % {"driver": driver}
    if guest.privileged:
        return _("%(guest)s is its host: there are no snapshots of it.") % names
    if not guest.persistent:
        return _("%(guest)s is transient: there are no snapshots of it.") % names
    if definition.firmware == "UEFI":
        return _("%(guest)s boots by UEFI: the variables of its firmware would not be in the snapshot.") % names
    disks = [disk for disk in definition.disks if is_written(disk)]
    if not disks:
        return _("%(guest)s has no disk: snapshots are kept inside qcow2 disks.") % names
    if shared := [disk.target for disk in disks if disk.shareable]:
        return _("Other guests may write to %(disks)s, too: going back would take it away from them.") % {
            "disks": ", ".join(shared)
        }
    if others := [f"{disk.target} ({disk.format or 'raw'})" for disk in disks if disk.format != "qcow2"]:
        return _("Snapshots are kept inside qcow2 disks; of another format are: %(disks)s.") % {
            "disks": ", ".join(others)
        }
    return ""


def no_room_for_memory(guest: Guest) -> str:
    """Why the memory of an active guest may have no room where it would be kept; "" where it has, or nobody knows.

    A pool that is full stops every guest that writes to it.
    """
    first = next((disk for disk in stored_disks(guest) if disk.is_written), None) if guest.is_active else None
    if first is None or first.volume is None:
        return ""
    pool, needed = first.volume.pool, guest.current_kib * 1024
    if needed <= pool.available_bytes:
        return ""
    return _("The pool %(pool)s has %(free)s free, and the memory of %(guest)s may need %(needed)s.") % {
        "pool": pool.name,
        "free": size_text(pool.available_bytes),
        "guest": guest.name,
        "needed": size_text(needed),
    }


def is_written(disk: Disk) -> bool:
    """Whether the guest writes to it, so that a snapshot must keep it."""
    return bool(disk.source) and not disk.readonly and disk.device != "cdrom"


def with_those_after(snapshots: Iterable[dict[str, Any]], name: str) -> list[str]:
    """The names of a snapshot and of those that were taken from it; of snapshots as the row has them."""
    found, known = [name], list(snapshots)
    for parent in found:
        found += [one["name"] for one in known if one["parent"] == parent and one["name"] not in found]
    return found
