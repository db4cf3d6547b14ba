"""`resources.Definition` as plain JSON and back: what `Guest.definition` and `Guest.next_boot` hold."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from guests.resources import (
    CPU,
    NIC,
    CPUTuning,
    Definition,
    Disk,
    Graphics,
    Hotplug,
    Memory,
    MemoryDevice,
    NUMACell,
    Pin,
    TextConsole,
    VCPUs,
    Virtualisation,
)


def definition_to_json(definition: Definition) -> dict[str, Any]:
    """JSON without anything left out; equal definitions give equal JSON."""
    found = asdict(definition)
    found["uuid"] = str(definition.uuid)
    found["virtualisation"] = str(definition.virtualisation)
    for name in ("disks", "nics", "text_consoles", "graphics", "boot_order"):
        found[name] = list(found[name])
    for disk in found["disks"]:
        disk["backing"] = list(disk["backing"])
    found["tuning"]["pins"] = list(found["tuning"]["pins"])
    for name in ("cells", "devices"):
        found["hotplug"][name] = list(found["hotplug"][name])
    return found


def definition_from_json(found: dict[str, Any]) -> Definition:
    """The definition that `definition_to_json` wrote; KeyError or TypeError for anything else."""
    return Definition(
        **{
            **found,
            "uuid": UUID(found["uuid"]),
            "virtualisation": Virtualisation(found["virtualisation"]),
            "memory": Memory(**found["memory"]),
            "vcpus": VCPUs(**found["vcpus"]),
            "disks": tuple(disk_from_json(disk) for disk in found["disks"]),
            "nics": tuple(NIC(**nic) for nic in found["nics"]),
            "text_consoles": tuple(TextConsole(**console) for console in found["text_consoles"]),
            "graphics": tuple(Graphics(**graphics) for graphics in found["graphics"]),
            "boot_order": tuple(found.get("boot_order", ())),
            "cpu": CPU(**found.get("cpu", {})),
            "tuning": _tuning(found.get("tuning", {})),
            "hotplug": hotplug_from_json(found.get("hotplug", {})),
        }
    )


def disk_from_json(found: dict[str, Any]) -> Disk:
    """One of its disks, also as an older version wrote it."""
    return Disk(**{**found, "backing": tuple(found.get("backing", ()))})


def hotplug_from_json(found: dict[str, Any]) -> Hotplug:
    """Its room for memory and what is plugged in, also as an older version, which knew neither, wrote it."""
    cells = tuple(NUMACell(**cell) for cell in found.get("cells", ()))
    return Hotplug(
        **{**found, "cells": cells, "devices": tuple(MemoryDevice(**device) for device in found.get("devices", ()))}
    )


def _tuning(found: dict[str, Any]) -> CPUTuning:
    return CPUTuning(**{**found, "pins": tuple(Pin(**pin) for pin in found.get("pins", ()))})
