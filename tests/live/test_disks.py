"""Disks of a real guest: attached, grown, detached; a CD-ROM inserted, changed, ejected, and a tray that is locked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest

from guests.errors import OperationRefused
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.disks import add_disk, change_medium, disk_capacity, grow_disk, remove_disk
from guests.hypervisor.reading import get_guest
from guests.resources import Disk
from tests.labs.lab import Lab
from tests.live.hypervisor_guest import Terminal, until

pytestmark = pytest.mark.timeout(240)

MIB = 2**20


@pytest.fixture
def connection(lab: Lab) -> Iterator[Connection]:
    lab.wait_until_booted("web-1")
    connection = open_connection(lab.uri)
    yield connection
    connection.close()


@pytest.fixture
def terminal(lab: Lab, connection: Connection) -> Iterator[Terminal]:
    terminal = Terminal(connection, UUID(lab.uuid("web-1")), force=True)
    yield terminal
    terminal.stream.close()


def raw_file(lab: Lab, name: str, size: int) -> str:
    """A sparse file among those of the lab's guests; as libvirt calls it."""
    layout = lab.host.layout()
    with (layout.real / name).open("wb") as file:
        os.truncate(file.fileno(), size)
    return str(layout.seen / name)


def size_of(terminal: Terminal, device: str) -> int:
    """Bytes, as the guest itself sees them; 0 where it sees no such device."""
    sectors = terminal.answer_to(f"cat /sys/block/{device}/size 2>/dev/null", 30)
    return int(sectors or 0) * 512


def disk_of(connection: Connection, uuid: UUID, target: str) -> Disk | None:
    return next((disk for disk in get_guest(connection, uuid).definition.disks if disk.target == target), None)


@pytest.mark.parametrize(("target", "bus"), [("vdb", "virtio"), ("sda", "scsi")])
def test_a_disk_is_seen_grown_and_gone_while_the_guest_runs(
    lab: Lab, connection: Connection, terminal: Terminal, target: str, bus: str
) -> None:
    uuid = UUID(lab.uuid("web-1"))
    disk = Disk(target, "disk", bus, "file", raw_file(lab, f"more-{target}.img", 8 * MIB), "raw", serial="MORE")
    add_disk(connection, uuid, disk, live=True)
    until(lambda: size_of(terminal, target) == 8 * MIB, 30, "the disk in the guest")
    assert disk_of(connection, uuid, target) == disk
    grow_disk(connection, uuid, target, 24 * MIB)
    until(lambda: size_of(terminal, target) == 24 * MIB, 30, "the larger disk in the guest")
    assert disk_capacity(connection, uuid, target) == 24 * MIB
    remove_disk(connection, uuid, target, live=True)
    until(lambda: disk_of(connection, uuid, target) is None, 30, "gone for libvirt")
    assert size_of(terminal, target) == 0
    assert target not in lab.virsh("domblklist", str(uuid), "--inactive")


def test_a_medium_goes_in_and_out_and_a_locked_tray_opens_by_force_only(
    lab: Lab, connection: Connection, terminal: Terminal
) -> None:
    uuid = UUID(lab.uuid("web-1"))
    drive = disk_of(connection, uuid, "hda")
    assert drive is not None
    one = replace(drive, source=raw_file(lab, "one.iso", 2 * MIB))
    two = replace(drive, source=raw_file(lab, "two.iso", 3 * MIB))
    look = "head -c 1 /dev/sr0 >/dev/null 2>&1; true"  # the kernel asks for the medium when somebody opens it
    try:
        change_medium(connection, uuid, one, live=True)
        terminal.answer_to("for n in 1 2 3; do head -c 1 /dev/sr0 && break; done >/dev/null 2>&1", 30)
        assert size_of(terminal, "sr0") == 2 * MIB

        terminal.answer_to("exec 5</dev/sr0", 30)  # who holds it open locks the tray
        with pytest.raises(OperationRefused, match="holds the tray of hda locked") as refusal:
            change_medium(connection, uuid, two, live=True)
        assert refusal.value.field == "force"
        assert disk_of(connection, uuid, "hda") == one
        change_medium(connection, uuid, two, live=True, force=True)
        terminal.answer_to(f"exec 5<&-; {look}; {look}", 30)
        assert size_of(terminal, "sr0") == 3 * MIB

        change_medium(connection, uuid, replace(drive, source=""), live=True)
        assert "No medium" in terminal.answer_to("head -c 1 /dev/sr0 2>&1", 30)
        ejected = disk_of(connection, uuid, "hda")
        assert ejected is not None
        assert ejected.source == ""
    finally:
        change_medium(connection, uuid, drive, live=True, force=True)
