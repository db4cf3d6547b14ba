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

from guests.errors import HypervisorError, HypervisorUnreachable, StorageNotFound
from guests.hypervisor.connection import Connection
from guests.hypervisor.pools import get_pool, list_pool_uuids, refresh_pool
from guests.inventory.changes import Feed, current_revision
from guests.inventory.storage import PoolProblem, drop_pools_except, keep_pool, known_pools, lose_pool, mark_pool
from guests.resources import Pool
from guests.worker.host_thread import HostThread

if TYPE_CHECKING:
    from guests.worker.host_service import HostService

logger = logging.getLogger(__name__)
_T = TypeVar("_T")

DEADLINE_SECONDS = 8.0
REFRESHED = {"dir"}  # kinds that libvirt does not unmount or deactivate where it fails to look into them
LISTING = "listing"  # the call that lists all pools, among those that are about one
AFTER_EVENT_SECONDS = 0.2  # several come at once


class StorageThread(HostThread):
    """Reads the pools of one host."""

    about = "storage"
    most_left_behind = 2

    def __init__(self, service: HostService) -> None:
        super().__init__(service)
        self._lock = threading.Lock()
        self._soon: set[UUID] = set()  # pools that something happened to
        self._all = threading.Event()  # every pool is to be read
        self._all_at = 0.0  # monotonic time when that is due by itself
        self._refresh_at: dict[UUID, float] = {}

    def read_all_soon(self) -> None:
        """The host came up: read every pool."""
        self._all.set()
        self._wake.set()

    def read_soon(self, pool: UUID) -> None:
        """Something happened to a pool; returns at once."""
        with self._lock:
            self._soon.add(pool)
        self._wake.set()

    @property
    def _refused_seconds(self) -> float:
        return settings.STORAGE_SECONDS

    def _failed(self, seconds: float) -> float:
        self._all_at = time.monotonic() + seconds
        return seconds

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        if self._wake.is_set() and not self._stopped:
            self._wake.clear()
            time.sleep(AFTER_EVENT_SECONDS)

    def _round(self) -> float:
        """Read what is due; answers in how many seconds all is."""
        for about in self._calls.close_those_that_came_back():
            if isinstance(about, UUID):
                self.read_soon(about)
        with self._lock:
            soon, self._soon = self._soon, set()
        if not self._service.is_up:
            self._calls.let_go()
            self._all_at = time.monotonic() + settings.STORAGE_SECONDS
            return settings.STORAGE_SECONDS
        if self._all.is_set() or time.monotonic() >= self._all_at:
            self._all.clear()
            self._all_at = time.monotonic() + settings.STORAGE_SECONDS
            soon = set(self._listed())
        for uuid in sorted(soon):
            if self._stopped:
                break
            if not self._calls.is_left_behind(uuid):
                self._read(uuid)
        return max(0.05, self._all_at - time.monotonic())

    def _listed(self) -> list[UUID]:
        """Every pool; by the rows where the listing does not come back."""
        if self._calls.is_left_behind(LISTING):
            return known_pools(self._service.lease)
        try:
            found = self._within_deadline(LISTING, list_pool_uuids)
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

    def _within_deadline(self, about: UUID | str, ask: Callable[[Connection], _T]) -> _T:
        """What the host answers; TimeoutError when the call was left behind."""
        try:
            return self._calls.within(DEADLINE_SECONDS, ask, about)
        except TimeoutError:
            logger.info("the storage of host %s did not answer within %d s", self._service.name, DEADLINE_SECONDS)
            raise
