"""What the vCPUs of a host's guests do, for as long as somebody looks at them.

Which CPU a vCPU runs on is one call for each guest, so nobody's is read unasked; over a connection of its own, waited
for at most DEADLINE_SECONDS, and then not again for a while: a guest that hangs delays no tick, event or operation.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from guests.errors import HypervisorError, NotSupported
from guests.hypervisor.connection import Connection
from guests.hypervisor.host_cpus import VCPU, read_vcpus
from guests.hypervisor.vcpu_tuning import Scheduling, scheduling
from guests.inventory.cpus import Read, guests_to_read, store_figures
from guests.worker.host_thread import AFTER_REFUSAL_SECONDS, HostThread

if TYPE_CHECKING:
    from guests.worker.host_service import HostService

logger = logging.getLogger(__name__)

EVERY_SECONDS = 2.0
SHARE = 10  # a host spends at most one part in so many on this
SCHEDULING_SECONDS = 10.0  # weight and cap move only when somebody sets them
DEADLINE_SECONDS = 5.0
IDLE_SECONDS = 300.0


class CPUThread(HostThread):
    """The reader of one host. A call that hangs is left behind, and nothing is asked until it came back."""

    about = "cpus"
    most_left_behind = 0

    def __init__(self, service: HostService) -> None:
        super().__init__(service)
        self._before: dict[tuple[UUID, int], VCPU] = {}
        self._scheduling: dict[UUID, tuple[float, dict[str, int | None]]] = {}

    def _pause(self, seconds: float) -> None:
        if seconds == IDLE_SECONDS:
            self._wake.wait(seconds)
        else:  # who looks on marks it every few seconds: that is no reason to read sooner
            self._sleep(seconds)
        self._wake.clear()

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopped and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

    def _round(self) -> float:
        """Read those that somebody looks at; answers in how many seconds the next time is."""
        self._calls.close_those_that_came_back()
        wanted = guests_to_read(self._service.lease.host_id) if self._service.is_up else {}
        if not wanted:
            self._calls.let_go()
            self._before.clear()
            self._scheduling.clear()
            return IDLE_SECONDS
        began = time.monotonic()
        try:
            found = self._calls.within(DEADLINE_SECONDS, lambda connection: self._read(connection, wanted))
        except TimeoutError:
            logger.info("the vCPUs of host %s were not told within %d s", self._service.name, DEADLINE_SECONDS)
            return AFTER_REFUSAL_SECONDS
        store_figures(self._service.lease, found)
        return max(EVERY_SECONDS, SHARE * (time.monotonic() - began))

    def _read(self, connection: Connection, wanted: dict[UUID, UUID]) -> dict[UUID, Read]:
        """Of each guest, by our id."""
        lacking = False
        found: dict[UUID, list[VCPU]] = {}
        try:
            found = read_vcpus(connection, list(wanted))
        except NotSupported:
            lacking = True
        read = {}
        for uuid, guest_id in wanted.items():
            vcpus = [self._figures(uuid, vcpu) for vcpu in found.get(uuid, [])]
            if lacking or vcpus:
                read[guest_id] = Read(vcpus, self._scheduling_of(connection, uuid), lacking)
        return read

    def _figures(self, uuid: UUID, vcpu: VCPU) -> dict[str, Any]:
        before, self._before[uuid, vcpu.number] = self._before.get((uuid, vcpu.number)), vcpu
        return {
            "number": vcpu.number,
            "state": vcpu.state,
            "cpu": vcpu.cpu,
            "run_percent": _percent(before, vcpu, "run_ns"),
            "wait_percent": _percent(before, vcpu, "wait_ns"),
        }

    def _scheduling_of(self, connection: Connection, uuid: UUID) -> dict[str, int | None]:
        read_at, known = self._scheduling.get(uuid, (0.0, {}))
        if time.monotonic() - read_at < SCHEDULING_SECONDS and read_at:
            return known
        try:
            told = scheduling(connection, uuid)
        except HypervisorError:  # a host that cannot weigh guests, or a guest that stopped
            told = Scheduling()
        amounts = {name: getattr(told, name) for name in ("weight", "cap_percent", "vcpu_cap_percent")}
        known = {} if told == Scheduling() else amounts
        self._scheduling[uuid] = (time.monotonic(), known)
        return known


def _percent(before: VCPU | None, now: VCPU, of: str) -> int | None:
    """How much of the time between two readings; None before the second, and after a restart of the guest."""
    was_ns: int | None = getattr(before, of, None)
    is_ns: int | None = getattr(now, of)
    if before is None or was_ns is None or is_ns is None or is_ns < was_ns or now.taken_at <= before.taken_at:
        return None
    return min(100, round((is_ns - was_ns) / (now.taken_at - before.taken_at) / 10_000_000))
