"""Which guest uses which path, also as what its disks lie over: for the rule on who may have a volume together.

`volume_uses.py` tells pages by which disk a volume is used; here whole chains count, and what libvirt tells now, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from guests.inventory.definition_json import disk_from_json
from guests.inventory.models import Guest, Host
from guests.inventory.storage import Volume, volumes_by_path
from guests.inventory.volume_uses import twins_of
from guests.resources import Disk

MOST_BELOW = 64  # of a chain: one that goes on is a circle that somebody wrote into a file


@dataclass(frozen=True, slots=True)
class DiskUse:
    """One disk of one guest that has a volume, or lies over it (`below`)."""

    guest_id: UUID  # libvirt's
    guest: str
    disk: Disk
    below: bool

    @property
    def writes(self) -> bool:
        """Whether the guest may change the volume."""
        return not self.below and not self.disk.readonly and self.disk.device != "cdrom"


@dataclass(frozen=True, slots=True)
class GuestDisks:
    """The disks of one guest, of now and of its next boot."""

    guest_id: UUID  # libvirt's
    guest: str
    disks: tuple[Disk, ...]


@dataclass(frozen=True, slots=True)
class VolumePaths:
    """What the pools of a host tell of its volumes."""

    known: frozenset[str] = frozenset()
    named: Mapping[str, str] = field(default_factory=dict)  # "pool/volume" → path
    below: Mapping[str, str] = field(default_factory=dict)  # path → what it lies over

    def path_of(self, disk: Disk) -> str:
        """Where a disk is stored; "" for an empty drive."""
        return self.named.get(disk.source, disk.source) if disk.source_kind == "volume" else disk.source

    def chain_below(self, path: str) -> list[str]:
        """What a volume lies over, nearest first."""
        found: list[str] = []
        while (path := self.below.get(path, "")) and path not in found and len(found) < MOST_BELOW:
            found.append(path)
        return found


def volume_paths(host: Host) -> VolumePaths:
    """As the rows have it. One query.

    What a raw volume seems to lie over was written there by its guest: it is given as raw, so it lies over nothing.
    """
    rows = list(
        Volume.objects.filter(pool__host=host).values_list("pool__name", "name", "path", "backing_path", "format")
    )
    return VolumePaths(
        known=frozenset(path for _pool, _name, path, _below, _format in rows),
        named={f"{pool}/{name}": path for pool, name, path, _below, _format in rows},
        below={path: below for _pool, _name, path, below, format_ in rows if below and format_ != "raw"},
    )


def volumes_of(guest: Guest) -> dict[str, Volume]:
    """The volumes that store a guest's disks, by path, with their pools. One query."""
    definitions = [definition for definition in (guest.definition, guest.next_boot) if definition]
    return volumes_by_path(
        guest.host, {disk["source"] for definition in definitions for disk in definition.get("disks", [])}
    )


def disks_of_rows(host: Host) -> list[GuestDisks]:
    """The disks of all guests of a host, as the rows have them. One query."""
    rows = Guest.objects.filter(host=host, gone_at=None).values_list("uuid", "name", "definition", "next_boot")
    return [
        GuestDisks(uuid, name, tuple(disk_from_json(d) for part in (now, later) if part for d in part.get("disks", [])))
        for uuid, name, now, later in rows
    ]


def uses_by_path(guests: Iterable[GuestDisks], paths: VolumePaths) -> dict[str, list[DiskUse]]:
    """Every path that a disk has or lies over, with who uses it, each disk once for a path."""
    found: dict[str, dict[DiskUse, None]] = {}
    for guest in guests:
        for disk in guest.disks:
            path = paths.path_of(disk)
            if not path:
                continue
            found.setdefault(path, {})[DiskUse(guest.guest_id, guest.guest, disk, below=False)] = None
            for lower in dict.fromkeys([*disk.backing, *paths.chain_below(path)]):
                found.setdefault(lower, {})[DiskUse(guest.guest_id, guest.guest, disk, below=True)] = None
    return {path: list(uses) for path, uses in found.items()}


def same_elsewhere(volume: Volume) -> list[DiskUse]:
    """Who uses the same storage through a pool of another host; `volume.pool` must be loaded. Two queries a host."""
    found: list[DiskUse] = []
    for twin in twins_of(volume):
        there = twin.pool.host
        found += uses_by_path(disks_of_rows(there), volume_paths(there)).get(twin.path, [])
    return found
