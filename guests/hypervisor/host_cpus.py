"""The CPUs of a host, and what runs on them: its topology once a connection, vCPUs only of guests that are named."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import libvirt

from guests.errors import GuestNotFound, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.xml_document import UnreadableDefinition, number, parse_document

NOWAIT = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
STATES = {libvirt.VIR_VCPU_OFFLINE: "offline", libvirt.VIR_VCPU_RUNNING: "running", libvirt.VIR_VCPU_BLOCKED: "blocked"}


@dataclass(frozen=True, slots=True)
class PhysicalCPU:
    """One CPU as the host's scheduler sees it, and where it is."""

    number: int
    node: int = 0  # NUMA
    socket: int = 0
    core: int = 0


@dataclass(frozen=True, slots=True)
class VCPU:
    """One vCPU of a running guest; times in nanoseconds since it started, `taken_at` is time.monotonic()."""

    number: int
    state: str  # running, blocked, offline; "" where not told
    cpu: int | None  # the physical one that it ran on last
    run_ns: int | None
    wait_ns: int | None  # ready to run, and waiting for a CPU
    taken_at: float


def read_cpus(c: Connection) -> list[PhysicalCPU]:
    """The CPUs that are online, by number; one call, which may take seconds."""
    try:
        with translated_errors():
            xml, count = c.raw.getCapabilities(), int(c.raw.getInfo()[2])
        found = parse_cpus(xml)
    except (NotSupported, OperationRefused, UnreadableDefinition):
        return []
    return found or [PhysicalCPU(number) for number in range(count)]


def parse_cpus(xml: str) -> list[PhysicalCPU]:
    """`<host><topology>` of libvirt's capabilities; none where it tells none."""
    found = [
        PhysicalCPU(
            number(cpu.get("id", ""), "id of a cpu"),
            number(cell.get("id", "0"), "id of a cell"),
            number(cpu.get("socket_id", "0"), "socket_id"),
            number(cpu.get("core_id", "0"), "core_id"),
        )
        for cell in parse_document(xml).iterfind("host/topology/cells/cell")
        for cpu in cell.iterfind("cpus/cpu")
    ]
    return sorted(found, key=lambda cpu: cpu.number)


def read_vcpus(c: Connection, guests: Sequence[UUID]) -> dict[UUID, list[VCPU]]:
    """The vCPUs of these guests, of those that run: one bulk call, and one each. NotSupported where no driver tells."""
    if "vcpus" in c.lacks:
        raise NotSupported("vcpus")
    domains: dict[UUID, Any] = {}
    with translated_errors():
        for domain in c.raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            if (uuid := UUID(domain.UUIDString())) in guests:
                domains[uuid] = domain
    records = _records(c, list(domains.values()))
    found: dict[UUID, list[VCPU]] = {}
    for uuid, domain in domains.items():
        try:
            with translated_errors():
                placed = domain.vcpus()[0]
        except NotSupported:
            c.lacks.add("vcpus")
            raise
        except (GuestNotFound, OperationRefused):
            continue  # it stopped meanwhile
        record = records.get(uuid, {})
        found[uuid] = [_vcpu(record, *entry) for entry in placed]
    return found


def _records(c: Connection, domains: list[Any]) -> dict[UUID, dict[str, Any]]:
    """What only the bulk call tells, by guest: how long a vCPU waited."""
    if not domains or c.is_test or "getAllDomainStats" in c.lacks:
        return {}
    with suppress(NotSupported, OperationRefused, GuestNotFound), translated_errors():
        told = c.raw.domainListGetStats(domains, libvirt.VIR_DOMAIN_STATS_VCPU, NOWAIT)
        return {UUID(domain.UUIDString()): record for domain, record in told}
    return {}


def _vcpu(record: dict[str, Any], vcpu: int, state: int, run_ns: int, cpu: int) -> VCPU:
    # `delay` is the time in the scheduler's queue; libvirt's `wait` is the time that it waited for a disk.
    return VCPU(
        number=vcpu,
        state=STATES.get(state, ""),
        cpu=cpu if cpu >= 0 else None,
        run_ns=run_ns,
        wait_ns=record.get(f"vcpu.{vcpu}.delay"),
        taken_at=time.monotonic(),
    )
