"""Which guests use which volumes: by the source paths of their disks, now and from the next boot on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from guests.inventory.models import Guest, Host
from guests.inventory.storage import Volume

# Kinds of pools whose source, where two hosts name the same, is taken for the same storage.
SHARED = frozenset({"netfs", "gluster", "rbd", "iscsi", "iscsi-direct", "vstorage", "scsi", "mpath"})


@dataclass(frozen=True, slots=True)
class Use:
    """One disk or drive of one guest that a path is in."""

    guest_id: UUID
    guest_name: str
    target: str
    device: str  # disk, cdrom, floppy, lun
    now: bool
    next_boot: bool
    shareable: bool  # or only read: others may have it, too


def uses_on(host: Host) -> dict[str, list[Use]]:
    """By path: the disks of this host's guests in it; a disk by pool and volume is under "pool/volume". One query."""
    found: dict[str, list[Use]] = {}
    guests = Guest.objects.filter(host=host, gone_at=None).order_by("name")
    for guest_id, name, state, now, later in guests.values_list("pk", "name", "state", "definition", "next_boot"):
        is_active = Guest(state=state).is_active
        places: dict[tuple[str, str], dict[str, Any]] = {}
        for disk in _disks(now if is_active else None):
            places[disk["source"], disk["target"]] = {**disk, "now": True, "later": False}
        for disk in _disks(now if later is None else later):
            place = places.setdefault((disk["source"], disk["target"]), {**disk, "now": False, "later": False})
            place["later"] = True
        for (source, target), disk in places.items():
            found.setdefault(source, []).append(
                Use(
                    guest_id=guest_id,
                    guest_name=name,
                    target=target,
                    device=disk["device"],
                    now=disk["now"],
                    next_boot=disk["later"],
                    shareable=bool(disk["shareable"] or disk["readonly"]),
                )
            )
    return found


def _disks(definition: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    for disk in (definition or {}).get("disks", []):
        if disk["source"]:
            yield disk


def uses_of(volume: Volume, on_host: dict[str, list[Use]]) -> list[Use]:
    """Those of a volume, among `uses_on` its host."""
    return [*on_host.get(volume.path, []), *on_host.get(f"{volume.pool.name}/{volume.name}", [])]


def twins_of(volume: Volume) -> list[Volume]:
    """The same volume in pools of other hosts over the same storage. One query."""
    pool = volume.pool
    if pool.kind not in SHARED or not pool.source:
        return []
    same = Volume.objects.filter(name=volume.name, pool__kind=pool.kind, pool__source=pool.source)
    return list(same.exclude(pool__host=pool.host_id).select_related("pool__host"))


def overlays_of(volume: Volume) -> list[Volume]:
    """The volumes of its host that keep only the differences to this one. One query."""
    if not volume.path:
        return []
    return list(Volume.objects.filter(pool__host=volume.pool.host_id, backing_path=volume.path).select_related("pool"))
