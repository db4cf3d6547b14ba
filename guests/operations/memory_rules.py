"""What may be plugged in: sizes and steps, the room of the guest, and the limits of a person's role."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _

from guests.access import limits_on
from guests.inventory.definition_json import hotplug_from_json
from guests.inventory.models import Guest
from guests.operations.kinds import over_memory
from guests.resources import Definition, Hotplug, MemoryDevice
from guests.units import KIB_PER_MIB, memory_text

MODELS = {"dimm", "virtio-mem"}
BLOCK_KIB = 2 * KIB_PER_MIB  # the steps of virtio-mem: the least that QEMU takes on x86
PIECE_KIB = 128 * KIB_PER_MIB  # Linux takes memory in and out by blocks of this size on x86, and at such addresses only


_NAME = re.compile(r"ua-[a-z0-9-]{1,60}")  # libvirt keeps only aliases that begin so


def new_name() -> str:
    """What a new device is called, now and at the next boot: like no other of its guest."""
    return f"ua-mem-{uuid4().hex[:6]}"


def is_name(name: object) -> bool:
    """Whether a new device may be called so."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def device_named(definition: Definition, name: str) -> MemoryDevice | None:
    """The device of a definition that is called so."""
    return next((device for device in definition.hotplug.devices if device.name == name), None)


def why_it_does_not_fit(hotplug: Hotplug, maximum_kib: int, kib: int) -> str:
    """Why so much cannot be plugged into a guest with this room, or ""."""
    if not hotplug.ceiling_kib:
        return _("It was booted without room for more memory: make room for its next boot first.")
    if not hotplug.free_slots:
        return _("All its %(slots)d slots are taken.") % {"slots": hotplug.slots}
    if kib <= 0 or kib % PIECE_KIB:
        return _("Memory is plugged in by multiples of %(piece)s.") % {"piece": memory_text(PIECE_KIB)}
    if maximum_kib + kib > hotplug.ceiling_kib:
        return _("It has room for %(left)s more.") % {"left": memory_text(max(0, hotplug.ceiling_kib - maximum_kib))}
    return ""


def why_not_requested(device: MemoryDevice, kib: int) -> str:
    """Why a virtio-mem device cannot be asked to give so much, or ""."""
    if kib > device.size_kib:
        return _("This device gives at most %(most)s.") % {"most": memory_text(device.size_kib)}
    if kib < 0 or kib % max(1, device.block_kib):
        return _("This device gives multiples of %(block)s.") % {"block": memory_text(device.block_kib)}
    return ""


def why_not_this_virtio_mem(kib: int, requested_kib: int) -> str:
    """The same for a device that is not there yet."""
    return why_not_requested(MemoryDevice("", "virtio-mem", kib, BLOCK_KIB), requested_kib)


def beyond_role(by: AbstractBaseUser, guest: Guest, parameters: dict[str, Any]) -> str:
    """What the guest would have with it, now or at its next boot, against what this person's role may give."""
    limits = limits_on(by, guest)
    asked = [(parameters.get("live"), guest.current_kib, guest.definition)]
    asked.append((parameters.get("next_boot"), guest.next_boot_current_kib or 0, guest.next_boot or {}))
    refusals = (
        over_memory(limits, has + more)
        for is_asked, has, definition in asked
        if is_asked and (more := _more(parameters, hotplug_from_json(definition.get("hotplug", {})))) > 0
    )
    return next(filter(None, refusals), "")


def _more(parameters: dict[str, Any], hotplug: Hotplug) -> int:
    kib, model = parameters.get("kib"), parameters.get("model")
    if not isinstance(kib, int):
        return 0
    if model is not None:
        given = parameters.get("requested_kib", 0) if model == "virtio-mem" else kib
        return given if isinstance(given, int) else 0
    found = next((device for device in hotplug.devices if device.name == parameters.get("name")), None)
    return kib - found.requested_kib if found else 0
