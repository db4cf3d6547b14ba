"""Everything that changes a guest: power, and its resources. Explicit LIVE and CONFIG flags, one call per target."""

from __future__ import annotations

from guests.hypervisor.power import force_off, pause, reboot, reset, resume, shut_down, start
from guests.hypervisor.resizing import set_current_memory, set_maximum_memory, set_maximum_vcpus, set_vcpus

__all__ = [
    "force_off",
    "pause",
    "reboot",
    "reset",
    "resume",
    "set_current_memory",
    "set_maximum_memory",
    "set_maximum_vcpus",
    "set_vcpus",
    "shut_down",
    "start",
]
