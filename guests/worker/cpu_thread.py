"""What the vCPUs of a host's guests do, for as long as somebody looks at them.

Which CPU a vCPU runs on is one call for each guest, so nobody's is read unasked; over a connection of its own, waited
for at most DEADLINE_SECONDS, and then not again for a while: a guest that hangs delays no tick, event or operation.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from guests.errors import HypervisorError, NotSupported
from guests.hypervisor.attempts import Attempt
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.host_cpus import VCPU, read_vcpus
from guests.hypervisor.vcpu_tuning import Scheduling, scheduling
from guests.inventory.cpus import Read, guests_to_read, store_figures
from guests.inventory.leases import LeaseLost
from guests.worker.database import database_work, with_own_connection

if TYPE_CHECKING:
    from guests.worker.host_service import HostService

logger = logging.getLogger(__name__)

EVERY_SECONDS = 2.0
SHARE = 10  # a host spends at most one part in so many on this
SCHEDULING_SECONDS = 10.0  # weight and cap move only when somebody sets them
DEADLINE_SECONDS = 5.0
AFTER_HANG_SECONDS = 40.0
IDLE_SECONDS = 300.0


class CPUThread:
    """The reader of one host. The test driver is asked over the shared connection: its state is in it."""

    def __init__(self, service: HostService) -> None:
        self._service = service
        self._wake = threading.Event()
        self._stopped = False
        self._connection: Connection | None = None
        self._slots = threading.Semaphore(1)
        self._before: dict[tuple[UUID, int], VCPU] = {}
        self._scheduling: dict[UUID, tuple[float, dict[str, int | None]]] = {}
        self._thread = threading.Thread(target=with_own_connection(self._run), name=f"cpus-{service.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Somebody looks at vCPUs of this host."""
        self._wake.set()

    def stop(self) -> None:
        """Read nothing more."""
        self._stopped = True
        self._wake.set()

    def join(self, seconds: float) -> bool:
        """Whether the thread ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopped:
            try:
                with database_work():
                    seconds = self._round()
            except LeaseLost:
                self._service.lose_lease()
                return
            except HypervisorError as error:
                logger.info("the vCPUs of host %s were not read: %s", self._service.name, error.detail or error)
                self._let_go()
                seconds = AFTER_HANG_SECONDS
            except DatabaseError:
                logger.exception("the vCPUs of host %s could not be written", self._service.name)
                seconds = 1.0
            if seconds == IDLE_SECONDS:
                self._wake.wait(seconds)
            else:  # who looks on marks it every few seconds: that is no reason to read sooner
                self._sleep(seconds)
            self._wake.clear()
        self._let_go()

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopped and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

    def _round(self) -> float:
        """Read those that somebody looks at; answers in how many seconds the next time is."""
        wanted = guests_to_read(self._service.lease.host_id) if self._service.is_up else {}
        if not wanted:
            self._let_go()
            self._before.clear()
            self._scheduling.clear()
            return IDLE_SECONDS
        began = time.monotonic()
        connection = self._connect()
        try:
            found = self._within_deadline(connection, wanted)
        except TimeoutError:
            logger.info("the vCPUs of host %s were not told within %d s", self._service.name, DEADLINE_SECONDS)
            self._connection = None  # left behind with its call, which closes nothing of ours
            return AFTER_HANG_SECONDS
        store_figures(self._service.lease, found)
        return max(EVERY_SECONDS, SHARE * (time.monotonic() - began))

    def _within_deadline(self, connection: Connection, wanted: dict[UUID, UUID]) -> dict[UUID, Read]:
        if not self._slots.acquire(blocking=False):
            raise TimeoutError  # the call that was left behind has not come back yet
        attempt = Attempt(lambda: self._read(connection, wanted), lambda _found: None, self._slots)
        return attempt.wait(DEADLINE_SECONDS)

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

    def _connect(self) -> Connection:
        read = self._service.connection()
        if read.is_test:
            return read
        if self._connection is None or not self._connection.is_alive():
            self._let_go()
            self._connection = open_connection(
                self._service.uri,
                deadline_s=settings.OPEN_DEADLINE_SECONDS,
                keepalive=(settings.KEEPALIVE_INTERVAL_SECONDS, settings.KEEPALIVE_COUNT),
            )
        return self._connection

    def _let_go(self) -> None:
        """Close the connection; no call is under way on it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _percent(before: VCPU | None, now: VCPU, of: str) -> int | None:
    """How much of the time between two readings; None before the second, and after a restart of the guest."""
    was_ns: int | None = getattr(before, of, None)
    is_ns: int | None = getattr(now, of)
    if before is None or was_ns is None or is_ns is None or is_ns < was_ns or now.taken_at <= before.taken_at:
        return None
    return min(100, round((is_ns - was_ns) / (now.taken_at - before.taken_at) / 10_000_000))
