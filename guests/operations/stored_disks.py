"""What the disks of a guest are stored in, and who else uses that: by the rows, without asking a host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from guests.inventory.models import Guest
from guests.inventory.storage import Volume, volumes_by_path
from guests.inventory.volume_uses import overlays_of, twins_of, uses_of, uses_on


@dataclass(frozen=True, slots=True)
class StoredDisk:
    """One disk or medium of a guest. Sizes in bytes, None is not known."""

    target: str
    device: str  # disk, cdrom, floppy, lun
    source_kind: str
    source: str
    format: str  # as the guest is given it
    readonly: bool
    shareable: bool
    volume: Volume | None  # with its pool; None for what lies in no pool of the host
    used_by_others: bool  # another guest has it, or lies over it
    lies_below: bool  # another volume keeps only its differences to it

    @property
    def place(self) -> str:
        """Pool and volume, else the source."""
        return f"{self.volume.pool.name}/{self.volume.name}" if self.volume else self.source

    @property
    def path(self) -> str:
        """Where it is on the host, as libvirt told it."""
        return self.volume.path if self.volume else self.source

    @property
    def allocation(self) -> int | None:
        return self.volume.allocation_bytes if self.volume else None

    @property
    def capacity(self) -> int | None:
        return self.volume.capacity_bytes if self.volume else None

    @property
    def is_written(self) -> bool:
        """Whether the guest may change it."""
        return not self.readonly and self.device != "cdrom"

    @property
    def why_kept(self) -> str:
        """Why it is not deleted with its guest, "" where it may be."""
        if self.device in {"cdrom", "floppy"}:
            return _("Media stay: they may be put into another guest.")
        if self.volume is None:
            return _("It lies in no storage pool of the host: it stays where it is.")
        if self.shareable:
            return _("It is marked as shared with other guests.")
        if self.used_by_others:
            return _("Another guest uses it, too.")
        if self.lies_below:
            return _("Another volume keeps only its differences to it.")
        return ""


def stored_disks(guest: Guest) -> list[StoredDisk]:
    """Those of now and of the next boot, empty drives left out. Four queries, and two for each volume."""
    disks: dict[tuple[str, str], dict[str, Any]] = {}
    for definition in (guest.definition, guest.next_boot or {}):
        for disk in definition.get("disks", []):
            if disk["source"]:
                disks.setdefault((disk["target"], disk["source"]), disk)
    volumes = volumes_by_path(guest.host, [disk["source"] for disk in disks.values()])
    named = {disk["source"] for disk in disks.values() if disk["source_kind"] == "volume"}
    if named:
        of_host = Volume.objects.filter(pool__host=guest.host).select_related("pool")
        volumes |= {name: v for v in of_host if (name := f"{v.pool.name}/{v.name}") in named}
    uses, lower = uses_on(guest.host), _below_others(guest)
    found = []
    for disk in disks.values():
        volume = volumes.get(disk["source"])
        used = uses_of(volume, uses) if volume else uses.get(disk["source"], [])
        found.append(
            StoredDisk(
                target=disk["target"],
                device=disk["device"],
                source_kind=disk["source_kind"],
                source=disk["source"],
                format=disk["format"],
                readonly=disk["readonly"],
                shareable=disk["shareable"],
                volume=volume,
                used_by_others=any(use.guest_id != guest.pk for use in used)
                or bool(volume and _used_elsewhere(volume)),
                lies_below=bool({disk["source"], volume.path if volume else ""} & lower)
                or bool(volume and overlays_of(volume)),
            )
        )
    return found


def _below_others(guest: Guest) -> set[str]:
    """What disks of other guests of the host lie over, as far as their definitions tell. Few have any: they are found
    in the text of the columns, so that a host of a thousand guests is not read for each start.
    """
    others = Guest.objects.filter(host=guest.host, gone_at=None).exclude(pk=guest.pk)
    texts = {"now": Cast("definition", TextField()), "later": Cast("next_boot", TextField())}
    some = '"backing": ["'
    others = others.annotate(**texts).filter(Q(now__contains=some) | Q(later__contains=some))
    return {
        below
        for definitions in others.values_list("definition", "next_boot")
        for definition in definitions
        for disk in (definition or {}).get("disks", [])
        for below in disk.get("backing", ())
    }


def _used_elsewhere(volume: Volume) -> bool:
    """Whether a guest of another host has the same storage, through a pool there."""
    return any(uses_of(twin, uses_on(twin.pool.host)) or overlays_of(twin) for twin in twins_of(volume))


def base_of_others(guest: Guest) -> list[str]:
    """The disks of the guest (targets) over which others lie: written to, they would be destroyed. Few queries."""
    written = {disk["source"]: disk["target"] for disk in _written(guest)}
    if not written:
        return []
    below = _below_others(guest)
    below |= set(
        Volume.objects.filter(pool__host=guest.host, backing_path__in=written).values_list("backing_path", flat=True)
    )
    return sorted({target for source, target in written.items() if source in below})


def why_not_written(guest: Guest) -> str:
    """Why nothing may be written to its disks; "" where nothing lies over them."""
    return _they_lie_over(guest, base_of_others(guest))


def why_not_forgotten(guest: Guest) -> str:
    """Why it must stay known: "" where no other guest lies over its disks. Volumes that do protect the disk alone."""
    below = _below_others(guest)
    return _they_lie_over(guest, sorted({disk["target"] for disk in _written(guest) if disk["source"] in below}))


def _they_lie_over(guest: Guest, targets: list[str]) -> str:
    if not targets:
        return ""
    names = {"disks": ", ".join(targets), "guest": guest.name}
    return _("Linked clones lie over %(disks)s of %(guest)s, which has to stay as it is: delete them first.") % names


def _written(guest: Guest) -> list[dict[str, Any]]:
    later: dict[str, Any] = guest.next_boot or guest.definition
    return [
        disk for disk in later.get("disks", []) if disk["source"] and not disk["readonly"] and disk["device"] != "cdrom"
    ]
