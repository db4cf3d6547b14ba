"""Moving a guest to another host: both connections are ours, the guest's memory and disks go from host to host.

Without PEER2PEER the source needs no way into the other libvirt, and when this process ends the guest stays.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import libvirt

from guests.errors import HypervisorError, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.reading import find_domain


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a long call of libvirt came; bytes, and bytes per second where known."""

    done_bytes: int
    total_bytes: int
    rate: int | None


def migrate(c: Connection, there: Connection, uuid: UUID, *, address: str, copy_storage: bool, slow_down: bool) -> None:
    """Move a guest; returns when it runs (or is defined) there, and raises when it stayed. Blocks `c` all the time.

    `address` is where the source reaches the other host ("" is libvirt's own idea: its host name). `slow_down` lets
    libvirt throttle a guest that writes faster than its memory can be sent (VIR_MIGRATE_AUTO_CONVERGE).
    """
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        active, persistent, autostart = domain.ID() >= 0, bool(domain.isPersistent()), bool(domain.autostart())
    flags = libvirt.VIR_MIGRATE_LIVE if active else libvirt.VIR_MIGRATE_OFFLINE
    if persistent:
        flags |= libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
    if active and copy_storage:
        flags |= libvirt.VIR_MIGRATE_NON_SHARED_DISK
    if active and slow_down:
        flags |= libvirt.VIR_MIGRATE_AUTO_CONVERGE
    wanted = {libvirt.VIR_MIGRATE_PARAM_URI: f"tcp://{address}"} if active and address else {}
    with translated_errors(domain.name()):
        moved = domain.migrate3(there.own, wanted, flags)
    if persistent and autostart:
        # libvirt leaves the flag behind.
        with suppress(HypervisorError), translated_errors():
            moved.setAutostart(1)


def reachable_address(there: Connection) -> str:
    """How other hosts may reach a host, by the address we reach it at; "" where that says nothing."""
    host = there.host
    if not host or host in {"localhost", "::1"} or host.startswith("127."):
        return ""
    return f"[{host}]" if ":" in host else host


def job_progress(c: Connection, uuid: UUID) -> JobProgress | None:
    """How far the job of a guest came (virDomainGetJobStats); None while there is none, or nothing is told yet."""
    domain = find_domain(c, uuid)
    try:
        with translated_errors(domain.name()):
            stats = domain.jobStats()
    except (NotSupported, OperationRefused):
        return None
    done, left = stats.get("data_processed"), stats.get("data_remaining")
    if done is None or left is None or not done + left:
        return None
    rates = [stats[name] for name in ("memory_bps", "disk_bps") if stats.get(name)]
    return JobProgress(done, done + left, sum(rates) if rates else None)


def abort_job(c: Connection, uuid: UUID) -> None:
    """End the job of a guest (virDomainAbortJob): a migration or a save; the guest goes on where it was."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        domain.abortJob()


def is_aborted(error: HypervisorError) -> bool:
    """Whether a call ended because its job was aborted."""
    return bool(error.code == libvirt.VIR_ERR_OPERATION_ABORTED)
