"""One sample of every guest of a host: one bulk call where the driver has it, else calls per guest (Xen, test).

A QEMU that hangs holds the bulk call up until it goes on. The call then stays behind in its thread, and until it comes
back the guests that answer (`controlInfo`, which needs no lock of the guest) are asked for without the others, over a
connection beside it, as is everything else (`Connection.free`): there is one caller at a time on each.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import libvirt

from guests.errors import GuestNotFound, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.guest_stats import stats_of_each
from guests.hypervisor.states import state_of
from guests.resources import Definition, DiskUsage, GuestStats, NICUsage

GROUPS = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_VCPU
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)
# NOWAIT: a guest that is busy with a job reports what is known without its lock.
NOWAIT = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
BULK_SECONDS = 5.0
STUCK_CALLS = 2

Records = list[tuple[Any, dict[str, Any]]]


def list_stats(
    c: Connection, known: Mapping[UUID, Definition] | None = None, *, bulk_s: float = BULK_SECONDS
) -> list[GuestStats]:
    """A sample of every guest, shut off ones with their state only.

    One call for the whole host on QEMU, which may take up to `bulk_s` seconds. Xen and the test driver are asked per
    guest; `known` (live definitions of an earlier reading) tells which disks and NICs to ask for, without their XML.
    """
    if c.is_test or "getAllDomainStats" in c.lacks:
        return stats_of_each(c, known or {})
    c.stuck_stats = [thread for thread in c.stuck_stats if thread.is_alive()]
    if c.stuck_stats:
        return _stats_of_answering(c, bulk_s)
    try:
        records = _within(c, bulk_s, lambda: c.own.getAllDomainStats(GROUPS, NOWAIT))
    except NotSupported:
        c.lacks.add("getAllDomainStats")
        return stats_of_each(c, known or {})
    if records is None:
        return _stats_of_answering(c, bulk_s)
    return [_from_record(domain, record) for domain, record in records]


def _within(c: Connection, seconds: float, call: Callable[[], Records]) -> Records | None:
    """The answer of a call, or None when it takes longer: its thread stays behind in `c.stuck_stats`."""
    answer: list[Records] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            with translated_errors():
                answer.append(call())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="libvirt-stats", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        c.stuck_stats.append(thread)
        return None
    if errors:
        raise errors[0]
    return answer[0]


def _stats_of_answering(c: Connection, seconds: float) -> list[GuestStats]:
    """Samples while some guest hangs: those that answer in full, the others with their state only."""
    free, stuck = c.free()
    with translated_errors():
        domains = free.own.listAllDomains(0)
    records: Records | None = []
    if stuck < STUCK_CALLS:
        answering = [domain for domain in domains if domain.ID() < 0 or _answers(domain)]
        if answering:
            records = _within(free, seconds, lambda: free.own.domainListGetStats(answering, GROUPS, NOWAIT))
            if records is None:
                return _stats_of_answering(c, seconds)
    samples = {d.UUIDString(): _from_record(d, record) for d, record in records or []}
    return [samples.get(d.UUIDString()) or _state_only(d) for d in domains]


def _answers(domain: Any) -> bool:
    """Whether the guest's monitor is free or busy for less than a second (virDomainGetControlInfo)."""
    try:
        with translated_errors(domain.name()):
            state, _details, milliseconds = domain.controlInfo()
    except (GuestNotFound, NotSupported, OperationRefused):
        return False
    return bool(
        state == libvirt.VIR_DOMAIN_CONTROL_OK or (state == libvirt.VIR_DOMAIN_CONTROL_JOB and milliseconds < 1000)
    )


def _state_only(domain: Any) -> GuestStats:
    number: tuple[int, int] = (libvirt.VIR_DOMAIN_NOSTATE, 0)
    try:
        with translated_errors(domain.name()):
            number = domain.state()
    except GuestNotFound:
        pass
    return _from_record(domain, {"state.state": number[0], "state.reason": number[1]})


def _from_record(domain: Any, record: Mapping[str, Any]) -> GuestStats:
    """One guest's record (virConnectGetAllDomainStats): any field may be missing, and is not known then."""
    domain_id = domain.ID()
    state, reason = state_of(record.get("state.state"), record.get("state.reason"), active=domain_id >= 0)
    return GuestStats(
        uuid=UUID(domain.UUIDString()),
        domain_id=domain_id if domain_id >= 0 and state.is_active else None,
        name=domain.name(),
        state=state,
        reason=reason,
        taken_at=time.monotonic(),
        cpu_time_ns=record.get("cpu.time"),
        vcpus_current=record.get("vcpu.current"),
        balloon_current_kib=record.get("balloon.current") if state.is_active else None,
        usable_kib=record.get("balloon.usable"),
        disks=tuple(
            DiskUsage(
                target=record[f"{at}.name"],
                read_bytes=record.get(f"{at}.rd.bytes"),
                written_bytes=record.get(f"{at}.wr.bytes"),
                capacity_bytes=record.get(f"{at}.capacity"),
                allocation_bytes=record.get(f"{at}.allocation"),
            )
            for at in _numbered(record, "block")
        ),
        nics=tuple(
            NICUsage(
                target=record[f"{at}.name"],
                received_bytes=record.get(f"{at}.rx.bytes"),
                sent_bytes=record.get(f"{at}.tx.bytes"),
            )
            for at in _numbered(record, "net")
        ),
    )


def _numbered(record: Mapping[str, Any], group: str) -> list[str]:
    """The prefixes block.0, block.1 … of the devices that have a name."""
    prefixes = (f"{group}.{i}" for i in range(record.get(f"{group}.count", 0)))
    return [prefix for prefix in prefixes if f"{prefix}.name" in record]
