"""Samples by calls per guest, for drivers without the bulk call: Xen's and the test driver."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

from guests.errors import GuestNotFound, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.domain_xml import UnreadableDefinition, parse_definition
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.states import state_of
from guests.resources import Definition, DiskUsage, GuestStats, NICUsage

logger = logging.getLogger(__name__)
_T = TypeVar("_T")


def stats_of_each(c: Connection, known: Mapping[UUID, Definition]) -> list[GuestStats]:
    """A sample of every guest: one listing, one call per shut-off guest, three and one per device per running one."""
    with translated_errors():
        domains = c.raw.listAllDomains(0)
    samples = []
    for domain in domains:
        with suppress(GuestNotFound), translated_errors(domain.name()):
            samples.append(_stats_of(c, domain, known.get(UUID(domain.UUIDString()))))
    return samples


def _stats_of(c: Connection, domain: Any, definition: Definition | None) -> GuestStats:
    domain_id = domain.ID()
    state, reason = state_of(*domain.state(), active=domain_id >= 0)
    info = domain.info() if state.is_active else None
    memory = (_unless_lacking(c, "memoryStats", domain.memoryStats) or {}) if info else {}
    if info and definition is None:
        definition = _live_definition(domain)
    return GuestStats(
        uuid=UUID(domain.UUIDString()),
        domain_id=domain_id if info else None,
        name=domain.name(),
        state=state,
        reason=reason,
        taken_at=time.monotonic(),
        cpu_time_ns=info[4] if info else None,
        vcpus_current=info[3] if info else None,
        balloon_current_kib=info[2] if info else None,
        usable_kib=memory.get("usable"),
        disks=tuple(_disk(c, domain, disk.target) for disk in definition.disks) if info and definition else (),
        nics=tuple(_nic(c, domain, nic.target) for nic in definition.nics if nic.target) if info and definition else (),
    )


def _live_definition(domain: Any) -> Definition | None:
    with suppress(UnreadableDefinition):
        return parse_definition(domain.XMLDesc(0))
    return None


def _unless_lacking(c: Connection, name: str, call: Callable[[], _T]) -> _T | None:
    """The answer of a call that a driver may not have; once found lacking it is not made again on this connection."""
    if name in c.lacks:
        return None
    try:
        with translated_errors():
            return call()
    except NotSupported:
        c.lacks.add(name)
    except OperationRefused as error:
        # An empty drive, a device just unplugged, Domain-0: this one cannot tell, the next one may.
        logger.debug("%s: %s", name, error.detail)
    return None


def _disk(c: Connection, domain: Any, target: str) -> DiskUsage:
    counters = _unless_lacking(c, "blockStats", lambda: domain.blockStats(target))
    sizes = _unless_lacking(c, "blockInfo", lambda: domain.blockInfo(target))
    return DiskUsage(
        target=target,
        read_bytes=_known(counters[1]) if counters else None,
        written_bytes=_known(counters[3]) if counters else None,
        capacity_bytes=sizes[0] if sizes else None,
        allocation_bytes=sizes[1] if sizes else None,
    )


def _nic(c: Connection, domain: Any, target: str) -> NICUsage:
    counters = _unless_lacking(c, "interfaceStats", lambda: domain.interfaceStats(target))
    return NICUsage(
        target=target,
        received_bytes=_known(counters[0]) if counters else None,
        sent_bytes=_known(counters[4]) if counters else None,
    )


def _known(counter: int) -> int | None:
    """Libvirt says -1 for a counter that it does not have."""
    return counter if counter >= 0 else None
