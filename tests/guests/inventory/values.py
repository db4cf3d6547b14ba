"""Values as the hypervisor room gives them, for tests of the inventory."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from guests.resources import (
    NIC,
    Definition,
    Disk,
    DiskUsage,
    Graphics,
    Guest,
    GuestState,
    GuestStats,
    Memory,
    NICUsage,
    TextConsole,
    VCPUs,
    Virtualisation,
)

MIB = 1024


def definition(uuid: UUID | None = None, **changes: Any) -> Definition:
    values: dict[str, Any] = {
        "uuid": uuid or uuid4(),
        "name": "web-1",
        "title": "",
        "description": "<img onerror>",
        "virtualisation": Virtualisation.FULL,
        "os_type": "hvm",
        "domain_type": "qemu",
        "machine": "pc-i440fx-7.2",
        "firmware": "BIOS",
        "memory": Memory(256 * MIB, 512 * MIB),
        "vcpus": VCPUs(1, 4),
        "balloon": True,
        "stats_period_s": 2,
        "disks": (Disk("vda", "disk", "virtio", "file", "/guests/a.img", "raw"),),
        "nics": (NIC("52:54:00:00:00:0A", "network", "lan", "virtio", "vnet0"),),
        "text_consoles": (TextConsole("serial0", "serial0", "isa-serial", True),),
        "graphics": (Graphics("vnc", "none"),),
    }
    return Definition(**(values | changes))


def guest(
    uuid: UUID | None = None,
    *,
    state: GuestState = GuestState.RUNNING,
    domain_id: int | None = 1,
    reason: str = "booted",
    next_boot: Definition | None = None,
    **changes: Any,
) -> Guest:
    made = definition(uuid, **changes)
    return Guest(
        uuid=made.uuid,
        domain_id=domain_id if state.is_active else None,
        name=made.name,
        state=state,
        reason=reason,
        privileged=made.uuid.int == 0,
        persistent=True,
        autostart=False,
        live=made if state.is_active else None,
        next_boot=next_boot or made,
    )


def sample(uuid: UUID, at: float, **changes: Any) -> GuestStats:
    values: dict[str, Any] = {
        "uuid": uuid,
        "domain_id": 1,
        "name": "web-1",
        "state": GuestState.RUNNING,
        "reason": "booted",
        "taken_at": at,
        "cpu_time_ns": 0,
        "vcpus_current": 1,
        "balloon_current_kib": 256 * MIB,
        "usable_kib": 64 * MIB,
        "disks": (DiskUsage("vda", 0, 0, 10**9, 10**8),),
        "nics": (NICUsage("vnet0", 0, 0),),
    }
    return GuestStats(**(values | changes))
