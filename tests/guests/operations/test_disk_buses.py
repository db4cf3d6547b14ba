"""Which bus a disk is put on, and under what name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from guests.hypervisor.domain_xml import parse_definition
from guests.operations.disk_buses import HOT_PLUGGED, buses, next_target
from guests.resources import Definition, Disk

SAMPLES = Path(__file__).parent.parent / "hypervisor" / "samples"


def sample(name: str, **changes: object) -> Definition:
    return replace(parse_definition((SAMPLES / f"{name}.xml").read_text()), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("definition", "disk", "cdrom"),
    [
        (sample("qemu-running", disks=(), machine="pc-q35-7.2"), "virtio", "sata"),
        (sample("qemu-running", disks=(), machine="pc-i440fx-7.2"), "virtio", "ide"),
        (sample("qemu-running", disks=(), machine="virt-7.2"), "virtio", "scsi"),
        (sample("xen-pv", disks=()), "xen", ""),
        (sample("xen-pvh", disks=()), "xen", ""),
        (sample("xen-hvm", disks=()), "xen", "ide"),
    ],
)
def test_a_guest_s_machine_says_what_fits_best(definition: Definition, disk: str, cdrom: str) -> None:
    assert buses(definition, "disk")[0] == disk
    assert (*buses(definition, "cdrom"), "")[0] == cdrom


def test_what_a_guest_uses_already_comes_first() -> None:
    disks = (
        Disk("sda", "cdrom", "scsi", "", "", "raw"),
        Disk("sdb", "disk", "sata", "file", "/a", "raw"),
        Disk("vda", "disk", "virtio", "file", "/b", "raw"),
    )
    guest = sample("qemu-running", disks=disks, machine="pc-q35-7.2")
    assert buses(guest, "disk") == ("sata", "virtio", "scsi")
    assert buses(guest, "cdrom") == ("scsi", "sata")


def test_the_next_name_on_a_bus_fills_gaps_and_counts_on_after_z() -> None:
    assert next_target("virtio", []) == "vda"
    assert next_target("virtio", ["vda", "vdc"]) == "vdb"
    assert next_target("xen", ["xvda"]) == "xvdb"
    letters = "abcdefghijklmnopqrstuvwxyz"
    assert next_target("scsi", [f"sd{letter}" for letter in letters]) == "sdaa"
    assert next_target("scsi", [f"sd{letter}" for letter in letters] + ["sdaa"]) == "sdab"


def test_a_bus_with_no_place_left_says_so() -> None:
    assert next_target("ide", ["hda", "hdb", "hdc"]) == "hdd"
    assert next_target("ide", ["hda", "hdb", "hdc", "hdd"]) == ""


def test_neither_ide_nor_sata_nor_floppies_are_plugged_into_what_runs() -> None:
    assert not HOT_PLUGGED & {"ide", "sata", "fdc"}
