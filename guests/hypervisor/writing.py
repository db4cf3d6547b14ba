"""Everything that changes a guest: power, resources, devices. Explicit LIVE and CONFIG flags, one call each."""

from __future__ import annotations

from guests.hypervisor.disks import add_disk, change_medium, disk_capacity, grow_disk, remove_disk
from guests.hypervisor.graphics_devices import add_vnc, keep_vnc_inside
from guests.hypervisor.migrating import abort_job, migrate
from guests.hypervisor.nics import add_nic, change_nic, remove_nic
from guests.hypervisor.power import force_off, pause, reboot, reset, resume, shut_down, start, start_paused
from guests.hypervisor.resizing import set_current_memory, set_maximum_memory, set_maximum_vcpus, set_vcpus
from guests.hypervisor.saving import discard_saved, save
from guests.hypervisor.text_devices import add_serial_console, set_host_log

__all__ = [
    "abort_job",
    "add_disk",
    "add_nic",
    "add_serial_console",
    "add_vnc",
    "change_medium",
    "change_nic",
    "discard_saved",
    "disk_capacity",
    "force_off",
    "grow_disk",
    "keep_vnc_inside",
    "migrate",
    "pause",
    "reboot",
    "remove_disk",
    "remove_nic",
    "reset",
    "resume",
    "save",
    "set_current_memory",
    "set_host_log",
    "set_maximum_memory",
    "set_maximum_vcpus",
    "set_vcpus",
    "shut_down",
    "start",
    "start_paused",
]
