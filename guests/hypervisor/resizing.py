"""Memory and vCPUs: now (live) and at the next boot. What would be refused is refused before libvirt is asked.

One call per target: libvirt's test driver refuses LIVE and CONFIG together, and an error then tells which one it was.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

import libvirt
from django.utils.translation import gettext as _

from guests.errors import HypervisorError, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.memory_room import set_memory_of_cell, set_vcpus_of_cells
from guests.hypervisor.reading import find_domain, get_guest
from guests.resources import Definition, Guest
from guests.units import memory_text

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG


def set_current_memory(c: Connection, uuid: UUID, kib: int, *, live: bool, next_boot: bool) -> None:
    """Move the balloon's target now, at the next boot, or both. libvirt answers before the guest has moved."""
    _some_target(live, next_boot)
    guest = get_guest(c, uuid)
    _positive(kib, _("Memory must be more than 0."), "current_memory")
    if live:
        now = _live(guest)
        if not now.balloon:
            raise NotSupported(
                _("%(guest)s has no memory balloon: its current memory can change at the next boot only.")
                % {"guest": guest.name}
            )
        _within_maximum(kib, now, guest.name)
    later = _next_boot(guest) if next_boot else None
    if later is not None:
        _within_maximum(kib, later, guest.name)
    domain = find_domain(c, uuid)
    # What virtio-mem gives is beside the balloon, whose target is set.
    if later is not None:
        _set_memory(domain, kib - later.hotplug.in_parts_kib, CONFIG)
    if live:
        try:
            _set_memory(domain, kib - now.hotplug.in_parts_kib, LIVE)
        except HypervisorError:
            if later is not None:  # nothing was changed now, so nothing shall be changed for later
                with suppress(HypervisorError):
                    _set_memory(domain, later.memory.current_kib - later.hotplug.in_parts_kib, CONFIG)
            raise


def set_maximum_memory(c: Connection, uuid: UUID, kib: int) -> None:
    """The most that the balloon can give, from the next boot on; a current memory above it is lowered with it."""
    guest = get_guest(c, uuid)
    _positive(kib, _("Memory must be more than 0."), "maximum_memory")
    later = _next_boot(guest)
    if later.hotplug.cells:
        set_memory_of_cell(c, uuid, kib)
        return
    before = later.memory
    domain = find_domain(c, uuid)
    lowers = kib < before.current_kib
    if lowers:  # the current memory first: it may never be above the maximum
        _set_memory(domain, kib, CONFIG)
    try:
        _set_memory(domain, kib, CONFIG | libvirt.VIR_DOMAIN_MEM_MAXIMUM)
    except HypervisorError:
        if lowers:
            with suppress(HypervisorError):
                _set_memory(domain, before.current_kib, CONFIG)
        raise


def set_vcpus(c: Connection, uuid: UUID, count: int, *, live: bool, next_boot: bool) -> None:
    """Set the vCPUs the guest runs with. Live they can only grow: unplugging blocks and has crashed QEMU 7.2."""
    _some_target(live, next_boot)
    guest = get_guest(c, uuid)
    _positive(count, _("A guest needs at least one vCPU."), "vcpus")
    if live:
        now = _live(guest)
        if count < now.vcpus.current:
            raise OperationRefused(
                _("%(guest)s runs with %(count)d vCPUs: fewer are possible at the next boot only.")
                % {"guest": guest.name, "count": now.vcpus.current},
                field="vcpus",
            )
        _within_vcpus(count, now, guest.name)
    before = _next_boot(guest) if next_boot else None
    if before is not None:
        _within_vcpus(count, before, guest.name)
    domain = find_domain(c, uuid)
    if before is not None:
        _set_vcpus(domain, count, CONFIG)
    if live:
        try:
            _set_vcpus(domain, count, LIVE)
        except HypervisorError:
            if before is not None:
                with suppress(HypervisorError):
                    _set_vcpus(domain, before.vcpus.current, CONFIG)
            raise


def set_maximum_vcpus(c: Connection, uuid: UUID, count: int) -> None:
    """The most vCPUs that can be brought in while running, from the next boot on; lowers the current ones with it."""
    guest = get_guest(c, uuid)
    _positive(count, _("A guest needs at least one vCPU."), "maximum_vcpus")
    later = _next_boot(guest)
    if later.hotplug.cells:
        set_vcpus_of_cells(c, uuid, count)
        return
    before = later.vcpus
    domain = find_domain(c, uuid)
    lowers = count < before.current
    if lowers:
        _set_vcpus(domain, count, CONFIG)
    try:
        _set_vcpus(domain, count, CONFIG | libvirt.VIR_DOMAIN_VCPU_MAXIMUM)
    except HypervisorError:
        if lowers:
            with suppress(HypervisorError):
                _set_vcpus(domain, before.current, CONFIG)
        raise


def _set_memory(domain: Any, kib: int, flags: int) -> None:
    with translated_errors(domain.name()):
        domain.setMemoryFlags(kib, flags)


def _set_vcpus(domain: Any, count: int, flags: int) -> None:
    with translated_errors(domain.name()):
        domain.setVcpusFlags(count, flags)


def _some_target(live: bool, next_boot: bool) -> None:
    if not live and not next_boot:
        raise ValueError("neither live nor next boot")


def _positive(value: int, sentence: str, field: str) -> None:
    if value <= 0:
        raise OperationRefused(sentence, field=field)


def _live(guest: Guest) -> Definition:
    if guest.live is None or not guest.state.is_active:
        raise OperationRefused(
            _("%(guest)s does not run (any more): only its next boot can be changed.") % {"guest": guest.name}
        )
    return guest.live


def _next_boot(guest: Guest) -> Definition:
    if guest.next_boot is None:
        raise OperationRefused(
            _("%(guest)s is transient: it has no next boot that could be changed.") % {"guest": guest.name}
        )
    return guest.next_boot


def _within_maximum(kib: int, definition: Definition, name: str) -> None:
    memory, hotplug = definition.memory, definition.hotplug
    least, most = hotplug.in_parts_kib, memory.maximum_kib - hotplug.idle_kib
    if kib <= memory.maximum_kib and not least < kib <= most:
        raise OperationRefused(
            _("The balloon of %(guest)s can give from %(least)s to %(most)s; the rest is asked of its virtio-mem.")
            % {"guest": name, "least": memory_text(least), "most": memory_text(most)},
            field="current_memory",
        )
    if kib > memory.maximum_kib:
        raise OperationRefused(
            _("%(guest)s can have at most %(maximum)s: its maximum memory can be raised for the next boot.")
            % {"guest": name, "maximum": memory_text(memory.maximum_kib)},
            field="current_memory",
        )


def _within_vcpus(count: int, definition: Definition, name: str) -> None:
    if count > definition.vcpus.maximum:
        raise OperationRefused(
            _("%(guest)s can have at most %(maximum)d vCPUs: its maximum can be raised for the next boot.")
            % {"guest": name, "maximum": definition.vcpus.maximum},
            field="vcpus",
        )
