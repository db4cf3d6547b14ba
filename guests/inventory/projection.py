"""What libvirt told, as column values of a `Guest` row: pure functions, no database.

Each answers a dict of columns; the inventory compares them with the row and writes only what differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from guests import resources
from guests.inventory.definition_json import definition_from_json, definition_to_json, hotplug_from_json
from guests.inventory.models import Guest
from guests.inventory.samples import Rates
from guests.resources import GuestEvent, GuestState, GuestStats

__all__ = [
    "columns_of_event",
    "columns_of_guest",
    "columns_of_sample",
    "columns_of_state",
    "definition_from_json",
    "definition_to_json",
    "gone_columns",
    "own_ids",
]

# A balloon this near to its target has arrived: drivers round to pages, Xen keeps a few for itself.
BALLOON_SLACK_KIB = 1024

NO_SAMPLE: dict[str, Any] = {
    "cpu_percent": None,
    "disk_read_rate": None,
    "disk_written_rate": None,
    "received_rate": None,
    "sent_rate": None,
    "balloon_kib": None,
    "usable_kib": None,
}
# What a lifecycle event says about the state; "started" and "resumed" may be wrong for a guest that is started paused,
# which is why the guest is read right after.
STATE_AFTER = {
    "started": GuestState.RUNNING,
    "resumed": GuestState.RUNNING,
    "suspended": GuestState.PAUSED,
    "stopped": GuestState.SHUT_OFF,
    "shutdown": GuestState.IN_SHUTDOWN,
    "pmsuspended": GuestState.PMSUSPENDED,
    "crashed": GuestState.CRASHED,
}


def own_ids(host_id: UUID, uuid: UUID) -> Iterator[UUID]:
    """What `Guest.id` of a new row may be, best first: libvirt's UUID (never for Domain-0: it is zero on every host),
    one derived from it, and any, as rows that moved to another host took theirs along.
    """
    if uuid.int:
        yield uuid
    yield uuid5(uuid5(NAMESPACE_OID, str(host_id)), str(uuid))
    yield uuid4()


def columns_of_guest(guest: resources.Guest) -> dict[str, Any]:
    """What the XML and the flags of a guest tell, without its state."""
    now, next_boot = guest.definition, guest.next_boot
    nics = (*now.nics, *(next_boot.nics if next_boot else ()))
    known = guest.snapshots
    snapshots = {} if known is None else {"snapshots": [asdict(one) | {"reaches": list(one.reaches)} for one in known]}
    return snapshots | {
        "name": guest.name,
        "privileged": guest.privileged,
        "virtualisation": str(now.virtualisation),
        "persistent": guest.persistent,
        "autostart": guest.autostart,
        "saved": guest.saved,
        "current_kib": now.memory.current_kib,
        "maximum_kib": now.memory.maximum_kib,
        "next_boot_current_kib": next_boot.memory.current_kib if next_boot else None,
        "next_boot_maximum_kib": next_boot.memory.maximum_kib if next_boot else None,
        "has_balloon": now.balloon,
        "vcpus_current": now.vcpus.current,
        "vcpus_maximum": now.vcpus.maximum,
        "next_boot_vcpus_current": next_boot.vcpus.current if next_boot else None,
        "next_boot_vcpus_maximum": next_boot.vcpus.maximum if next_boot else None,
        "definition": definition_to_json(now),
        "next_boot": definition_to_json(next_boot) if next_boot else None,
        "macs": " ".join(dict.fromkeys(nic.mac.lower() for nic in nics if nic.mac)),
    }


def columns_of_state(row: Guest, state: GuestState, reason: str, domain_id: int | None, at: datetime) -> dict[str, Any]:
    """A state as it was read; a guest that does not run has no samples."""
    columns: dict[str, Any] = {"state": str(state), "reason": reason, "domain_id": domain_id}
    if row.state != state:
        columns["state_since"] = at
    if state.is_active:
        columns["left_behind"] = False
    else:
        columns |= NO_SAMPLE
    return columns


def columns_of_event(row: Guest, event: GuestEvent, at: datetime) -> dict[str, Any]:
    """What an event alone tells, before anything is read: the state, or what the balloon holds."""
    if event.kib is not None:
        # libvirt counts what a guest took of virtio-mem among its current memory; QEMU's balloon does not.
        beside = hotplug_from_json(row.definition.get("hotplug", {})).in_parts_kib
        return balloon_columns(row, event.kib + beside)
    state = STATE_AFTER.get(event.detail)
    if state is None:
        return {}
    reason = event.reason or (row.reason if row.state == state else "")
    return columns_of_state(row, state, reason, row.domain_id if state.is_active else None, at)


def balloon_columns(row: Guest, kib: int) -> dict[str, Any]:
    """What the guest holds now. The target follows it: libvirt keeps no target of its own for QEMU."""
    columns: dict[str, Any] = {"balloon_kib": kib}
    if row.has_balloon and kib > 0 and abs(kib - row.current_kib) > BALLOON_SLACK_KIB:
        columns["current_kib"] = kib
    return columns


def columns_of_sample(row: Guest, sample: GuestStats, rates: Rates) -> dict[str, Any]:
    """Figures of one tick, without the state."""
    if not sample.state.is_active:
        return {**NO_SAMPLE, "disk_usage": list(rates.disks) or _at_rest(row.disk_usage), "nic_usage": []}
    columns: dict[str, Any] = {
        "cpu_percent": rates.cpu_percent,
        "disk_read_rate": rates.disk_read,
        "disk_written_rate": rates.disk_written,
        "received_rate": rates.received,
        "sent_rate": rates.sent,
        "usable_kib": sample.usable_kib,
        "disk_usage": list(rates.disks),
        "nic_usage": list(rates.nics),
    }
    if sample.balloon_current_kib is not None:
        columns |= balloon_columns(row, sample.balloon_current_kib)
    if sample.vcpus_current is not None:
        columns["vcpus_current"] = sample.vcpus_current
    return columns


def _at_rest(disks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sizes stay known while a guest is shut off; counters and rates do not."""
    counters = ("read_bytes", "written_bytes", "read_rate", "written_rate")
    return [{**disk, **dict.fromkeys(counters)} for disk in disks]


def gone_columns(row: Guest, at: datetime, seen_at: datetime) -> dict[str, Any]:
    """A guest that its host no longer has: the row stays, with the reason why the guest stopped."""
    return {
        **NO_SAMPLE,
        "gone_at": at,
        "seen_at": seen_at,
        "state": str(GuestState.UNKNOWN),
        "state_since": at,
        "reason": "" if row.is_active else row.reason,
        "domain_id": None,
    }
