"""Buses of disks: which a guest can have, which take a disk while it runs, and what the next one on it is called."""

from __future__ import annotations

from collections.abc import Collection

from guests.resources import Definition, Virtualisation

PREFIXES = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd", "xen": "xvd", "fdc": "fd"}
HOT_PLUGGED = frozenset({"virtio", "scsi", "usb", "xen"})
MOST = {"ide": 4, "fdc": 2}
PC = ("pc", "isapc")


def buses(definition: Definition, device: str) -> tuple[str, ...]:
    """What a disk ("disk") or a drive ("cdrom") of such a guest can be on, the best first; nothing: it cannot have one.

    First comes what the guest has already for such a device.
    """
    found = _xen(definition, device) if definition.domain_type == "xen" else _of_machine(definition.machine, device)
    in_use = [disk.bus for disk in definition.disks if disk.device == device and disk.bus in found]
    return tuple(dict.fromkeys([*in_use[:1], *found]))


def _xen(definition: Definition, device: str) -> tuple[str, ...]:
    if device == "cdrom":
        return ("ide",) if definition.virtualisation == Virtualisation.FULL else ()
    return ("xen", "ide") if definition.virtualisation == Virtualisation.FULL else ("xen",)


def _of_machine(machine: str, device: str) -> tuple[str, ...]:
    if "q35" in machine:
        return ("virtio", "scsi", "sata") if device == "disk" else ("sata", "scsi")
    if not machine or machine.startswith(PC):
        return ("virtio", "scsi", "sata", "ide") if device == "disk" else ("ide", "scsi", "sata")
    return ("virtio", "scsi") if device == "disk" else ("scsi",)  # ARM, s390 … have neither SATA nor IDE


def next_target(bus: str, taken: Collection[str]) -> str:
    """The first free name on a bus: vda, vdb … vdz, vdaa; "" where the bus has no place left."""
    for number in range(MOST.get(bus, 1000)):
        target = PREFIXES[bus] + _letters(number)
        if target not in taken:
            return target
    return ""


def _letters(number: int) -> str:
    """As Linux counts its disks: a … z, aa, ab …"""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters
