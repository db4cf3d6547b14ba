"""Everything that changes a guest: power, resources, text consoles. Explicit LIVE and CONFIG flags, one call each."""

from __future__ import annotations

from guests.hypervisor.power import force_off, pause, reboot, reset, resume, shut_down, start
from guests.hypervisor.resizing import set_current_memory, set_maximum_memory, set_maximum_vcpus, set_vcpus
from guests.hypervisor.text_devices import add_serial_console, set_host_log

__all__ = [
    "add_serial_console",
    "force_off",
    "pause",
    "reboot",
    "reset",
    "resume",
    "set_current_memory",
    "set_host_log",
    "set_maximum_memory",
    "set_maximum_vcpus",
    "set_vcpus",
    "shut_down",
    "start",
]
