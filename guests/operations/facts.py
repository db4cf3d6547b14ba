"""What the record says of before and after an operation: facts that the worker read itself, of a guest or of a host.

They bear the names that kinds give in their answers, so that a line of the record reads "from … to …".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from guests.resources import Definition, Guest

Facts = dict[str, Any]

LONGEST = 500  # of a text: libvirt takes descriptions of any length
GONE: Facts = {"state": "gone"}
_ALWAYS = {"state"}  # told also where it stayed the same
_OF_ONE_BOOT = {"target", "backing", "tray_open"}  # of a device: what each start gives it anew


def facts_of(guest: Guest) -> Facts:
    """What a guest is, has and is called, now and at its next boot."""
    later = guest.next_boot or guest.definition
    facts: Facts = {
        "state": str(guest.state),
        "name": guest.name,
        "autostart": guest.autostart,
        "saved": guest.saved,
        "order": list(later.boot_order),
        "graphics": [f"{one.kind} {one.listen} {one.address or ''}".strip() for one in later.graphics],
        "text_consoles": [one.device for one in later.text_consoles],
        "host_logs": {one.device: one.host_log for one in later.text_consoles if one.host_log},
        **_settings(guest.definition),
    }
    if guest.live is not None:
        facts |= _devices(guest.live)
    if guest.next_boot is not None:
        later_facts = _settings(guest.next_boot) | _devices(guest.next_boot)
        facts |= {f"next_boot_{name}": value for name, value in later_facts.items()}
    return facts


def snapshot_facts(known: Sequence[dict[str, Any]]) -> Facts:
    """By the guest's row: asking the host costs a call for each snapshot."""
    current = next((one["name"] for one in known if one["current"]), "")
    return {"snapshots": [one["name"] for one in known], "current": current}


def _settings(definition: Definition) -> Facts:
    return {
        "title": definition.title[:LONGEST],
        "description": definition.description[:LONGEST],
        "current_kib": definition.memory.current_kib,
        "maximum_kib": definition.memory.maximum_kib,
        "vcpus_current": definition.vcpus.current,
        "vcpus_maximum": definition.vcpus.maximum,
        "cpu": asdict(definition.cpu),
        "tuning": asdict(definition.tuning),
        "ceiling_kib": definition.hotplug.ceiling_kib,
        "slots": definition.hotplug.slots,
        "cells": [[cell.cpus, cell.memory_kib] for cell in definition.hotplug.cells],
    }


def _devices(definition: Definition) -> Facts:
    return {
        "disks": [[disk.target, disk.source] for disk in definition.disks],
        "nics": [[nic.mac, nic.source] for nic in definition.nics],
        "memory_devices": [
            [device.name, device.size_kib, device.requested_kib, device.held_kib]
            for device in definition.hotplug.devices
        ],
        **{f"disk {disk.target}": _lasting(asdict(disk)) for disk in definition.disks},
        **{f"nic {nic.mac}": _lasting(asdict(nic)) for nic in definition.nics},
    }


def _lasting(device: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in device.items() if name not in _OF_ONE_BOOT}


def before_and_after(found: Facts, left: Facts, shown: Facts, answer: Facts) -> tuple[Facts, Facts]:
    """Both sides of a line: what the form showed and was found, what was left and the kind answered.

    Of facts those that changed, and those that the answer names; all of what came, went or is no guest.
    """
    told = found.keys() | left.keys()
    if "there" not in found and left != GONE:
        changed = {name for name in found.keys() & left.keys() if found[name] != left[name]}
        told = changed | _ALWAYS | answer.keys()
    return (
        shown | {name: value for name, value in found.items() if name in told},
        {name: value for name, value in left.items() if name in told} | answer,
    )
