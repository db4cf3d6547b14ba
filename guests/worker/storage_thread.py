"""The storage of one host: its pools read every STORAGE_SECONDS, on libvirt's events of them, and when asked.

A pool whose storage hangs (NFS) holds up whoever asks about it, and the listing of all pools: so pools are read over a
connection of their own, each is waited for at most DEADLINE_SECONDS, and a call that does not come back is left behind
with its connection. Nothing of this delays a tick, an event, an operation, or another pool.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from guests.errors import HypervisorError, HypervisorUnreachable, StorageNotFound
from guests.hypervisor.attempts import Attempt
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.pools import get_pool, list_pool_uuids, refresh_pool
from guests.inventory.changes import Feed, current_revision
from guests.inventory.leases import LeaseLost
from guests.inventory.storage import PoolProblem, drop_pools_except, keep_pool, known_pools, lose_pool, mark_pool
from guests.resources import Pool
from guests.worker.database import database_work, with_own_connection

if TYPE_CHECKING:
    from guests.worker.host_service import HostService

logger = logging.getLogger(__name__)
_T = TypeVar("_T")

DEADLINE_SECONDS = 8.0
MOST_LEFT_BEHIND = 3  # each keeps a worker thread of the host's libvirtd busy
REFRESHED = {"dir"}  # kinds that libvirt does not unmount or deactivate where it fails to look into them
AFTER_EVENT_SECONDS = 0.2  # several come at once


class StorageThread:
    """Reads the pools of one host. The test driver is asked over the shared connection: its state is in it."""

    def __init__(self, service: HostService) -> None:
        self._service = service
        self._wake = threading.Event()
        self._stopped = False
        self._lock = threading.Lock()
        self._soon: set[UUID] = set()  # pools that something happened to
        self._connection: Connection | None = None
        self._slots = threading.Semaphore(MOST_LEFT_BEHIND + 1)
        self._left_behind: dict[UUID | None, tuple[Attempt[object], Connection | None]] = {}  # None: the listing of all
        self._all = threading.Event()  # every pool is to be read
        self._all_at = 0.0  # monotonic time when that is due by itself
        self._refresh_at: dict[UUID, float] = {}
        self._thread = threading.Thread(
            target=with_own_connection(self._run), name=f"storage-{service.name}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def read_all_soon(self) -> None:
        """The host came up: read every pool."""
        self._all.set()
        self._wake.set()

    def read_soon(self, pool: UUID) -> None:
        """Something happened to a pool; returns at once."""
        with self._lock:
            self._soon.add(pool)
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
                    self._round()
            except LeaseLost:
                self._service.lose_lease()
                return
            except HypervisorError as error:
                self._let_go()
                logger.info("the storage of host %s was not read: %s", self._service.name, error.detail or error)
                self._all_at = time.monotonic() + settings.STORAGE_SECONDS
            except DatabaseError:
                logger.exception("the storage of host %s could not be written", self._service.name)
                self._all_at = time.monotonic() + 1.0
            self._wake.wait(max(0.05, self._all_at - time.monotonic()))
            if self._wake.is_set() and not self._stopped:
                self._wake.clear()
                time.sleep(AFTER_EVENT_SECONDS)
        self._let_go()

    def _round(self) -> None:
        """Read what is due."""
        self._close_those_that_came_back()
        with self._lock:
            soon, self._soon = self._soon, set()
        if not self._service.is_up:
            self._let_go()
            self._all_at = time.monotonic() + settings.STORAGE_SECONDS
            return
        if self._all.is_set() or time.monotonic() >= self._all_at:
            self._all.clear()
            self._all_at = time.monotonic() + settings.STORAGE_SECONDS
            soon = set(self._listed())
        for uuid in sorted(soon):
            if self._stopped:
                return
            if uuid not in self._left_behind:
                self._read(uuid)

    def _listed(self) -> list[UUID]:
        """Every pool; by the rows where the listing does not come back."""
        if None in self._left_behind:
            return known_pools(self._service.lease)
        try:
            found = self._within_deadline(None, list_pool_uuids)
        except TimeoutError:
            return known_pools(self._service.lease)
        drop_pools_except(self._service.lease, found or [])
        return found or []

    def _read(self, uuid: UUID) -> None:
        since = current_revision(Feed.INVENTORY)
        try:
            pool = self._within_deadline(uuid, lambda connection: self._pool(connection, uuid))
        except TimeoutError:
            mark_pool(self._service.lease, uuid, PoolProblem.HANGS)
        except StorageNotFound:
            lose_pool(self._service.lease, uuid)
        except HypervisorUnreachable:
            raise
        except HypervisorError as error:
            mark_pool(self._service.lease, uuid, PoolProblem.FAILED, error.detail or str(error))
        else:
            if not keep_pool(self._service.lease, pool, since):
                self.read_soon(uuid)

    def _pool(self, connection: Connection, uuid: UUID) -> Pool:
        pool = get_pool(connection, uuid)
        every, now = settings.POOL_REFRESH_SECONDS, time.monotonic()
        if not every or not pool.active or pool.kind not in REFRESHED or now < self._refresh_at.get(uuid, 0.0):
            return pool
        self._refresh_at[uuid] = now + every
        try:
            refresh_pool(connection, uuid)
        except HypervisorUnreachable:
            raise
        except HypervisorError as error:  # a volume is being made in it, or its directory is gone
            logger.info("pool %s of host %s was not refreshed: %s", pool.name, self._service.name, error.detail)
        return get_pool(connection, uuid)

    def _within_deadline(self, about: UUID | None, ask: Callable[[Connection], _T]) -> _T:
        """What the host answers; TimeoutError when the call was left behind."""
        connection = self._connect()
        if len(self._left_behind) >= MOST_LEFT_BEHIND:
            raise TimeoutError
        self._slots.acquire()  # never waits: those that were left behind were just counted
        attempt: Attempt[_T] = Attempt(lambda: ask(connection), lambda _answer: None, self._slots)
        try:
            return attempt.wait(DEADLINE_SECONDS)
        except TimeoutError:
            logger.info("the storage of host %s did not answer within %d s", self._service.name, DEADLINE_SECONDS)
            own, self._connection = self._connection, None  # none of the test driver: its connection is shared
            self._left_behind[about] = (attempt, own)  # type: ignore[assignment]
            raise

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

    def _close_those_that_came_back(self) -> None:
        for about, (attempt, connection) in list(self._left_behind.items()):
            if attempt.is_over:
                del self._left_behind[about]
                if connection is not None:
                    connection.close()
                if about is not None:
                    self.read_soon(about)
