"""Disks and NICs as rows: what the definition says, with what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from guests.inventory.models import Guest
from guests.inventory.storage import Volume
from guests.views.addresses_shown import AddressesShown, AddressShown


@dataclass(frozen=True, slots=True)
class DiskRow:
    """One disk. Sizes in bytes, rates in bytes a second; None is not known."""

    target: str
    is_cdrom: bool
    kind: str
    bus: str
    source_kind: str
    source: str
    format: str
    readonly: bool
    shareable: bool
    capacity: int | None
    allocation: int | None
    allocated_percent: float | None
    read_rate: float | None
    written_rate: float | None
    volume: Volume | None  # what stores it, where that is in a pool
    waits: str  # "" now and later alike, else when: "added" or "removed" at the next boot, "changed": another source
    cache: str
    serial: str
    backing: list[str]  # what it lies over, nearest first
    tray_open: bool


@dataclass(frozen=True, slots=True)
class NICRow:
    """One NIC. Rates in bytes a second; None is not known."""

    mac: str
    kind: str
    source: str
    model: str
    target: str
    link_up: bool
    waits: str  # "" now and later alike, else when: "added" or "removed" at the next boot
    also: bool  # another guest has this MAC, too
    addresses: list[AddressShown]
    received_rate: float | None
    sent_rate: float | None


def disk_kind(device: str) -> str:
    """Libvirt's `device` in people's words."""
    words = {"disk": _("Hard disk"), "cdrom": _("CD-ROM"), "floppy": _("Floppy"), "lun": _("SCSI LUN")}
    return words.get(device, device)


def source_kind(kind: str) -> str:
    """Libvirt's `type` of a disk's source in people's words; "" for an empty drive."""
    words = {
        "file": _("file"),
        "block": _("block device"),
        "volume": _("volume"),
        "network": _("network"),
        "dir": _("directory"),
    }
    return words.get(kind, kind)


def nic_kind(kind: str) -> str:
    """Libvirt's `type` of an interface in people's words."""
    words = {"network": _("network"), "bridge": _("bridge"), "user": _("user mode"), "direct": _("direct")}
    return words.get(kind, kind)


def disk_rows(guest: Guest, volumes: Mapping[str, Volume] | None = None) -> list[DiskRow]:
    """The disks in the order of the definition, then those that come with the next boot. `volumes`: by path."""
    usage = {used["target"]: used for used in guest.disk_usage if used.get("target")}
    now = guest.definition.get("disks", [])
    later = now if guest.next_boot is None else guest.next_boot.get("disks", [])
    sources, runs = {disk["target"]: disk["source"] for disk in later}, {disk["target"] for disk in now}
    rows = [(disk, _waits(disk, sources)) for disk in now]
    rows += [(disk, "added") for disk in later if disk["target"] not in runs]
    return [
        _disk_row(disk, usage.get(disk["target"], {}), (volumes or {}).get(disk["source"]), waits)
        for disk, waits in rows
    ]


def _waits(disk: dict[str, Any], later: Mapping[str, str]) -> str:
    if disk["target"] not in later:
        return "removed"
    return "" if later[disk["target"]] == disk["source"] else "changed"


def _disk_row(disk: dict[str, Any], used: dict[str, Any], volume: Volume | None, waits: str) -> DiskRow:
    """The capacity as it was measured while it runs, else as its pool tells it. What is really used the pool knows:
    of a running guest's disk libvirt tells how far it was written since it started.
    """
    capacity, allocation = used.get("capacity_bytes"), used.get("allocation_bytes")
    if volume is not None:
        capacity, allocation = capacity or volume.capacity_bytes, volume.allocation_bytes
    percent = None
    if capacity and allocation is not None and disk["source"]:
        percent = round(min(100.0, 100 * allocation / capacity), 1)
    return DiskRow(
        target=disk["target"],
        is_cdrom=disk["device"] == "cdrom",
        kind=disk_kind(disk["device"]),
        bus=disk["bus"],
        source_kind=source_kind(disk["source_kind"]) if disk["source"] else "",
        source=disk["source"],
        format=disk["format"],
        readonly=disk["readonly"],
        shareable=disk["shareable"],
        capacity=capacity if disk["source"] else None,
        allocation=allocation if disk["source"] else None,
        allocated_percent=percent,
        read_rate=used.get("read_rate"),
        written_rate=used.get("written_rate"),
        volume=volume,
        waits=waits,
        cache=disk.get("cache", ""),
        serial=disk.get("serial", ""),
        backing=list(disk.get("backing", ())),
        tray_open=disk.get("tray_open", False),
    )


def nic_rows(
    guest: Guest, *, duplicates: frozenset[str] = frozenset(), addresses: AddressesShown | None = None
) -> list[NICRow]:
    """The NICs in the order of the definition, then those that come with the next boot; measured values are found by
    the host's device. `duplicates`: MACs that another guest has, too.
    """
    usage = {used["target"]: used for used in guest.nic_usage if used.get("target")}
    now = guest.definition.get("nics", [])
    later = now if guest.next_boot is None else guest.next_boot.get("nics", [])
    stays, runs = {nic["mac"] for nic in later}, {nic["mac"] for nic in now}
    waits = [(nic, "" if nic["mac"] in stays else "removed") for nic in now]
    waits += [(nic, "added") for nic in later if nic["mac"] not in runs]
    return [
        NICRow(
            mac=nic["mac"],
            kind=nic_kind(nic["kind"]),
            source=nic["source"],
            model=nic["model"],
            target=nic["target"],
            link_up=nic["link_up"],
            waits=wait,
            also=nic["mac"] in duplicates,
            addresses=addresses.by_mac.get(nic["mac"].lower(), []) if addresses else [],
            received_rate=usage.get(nic["target"], {}).get("received_rate"),
            sent_rate=usage.get(nic["target"], {}).get("sent_rate"),
        )
        for nic, wait in waits
    ]
