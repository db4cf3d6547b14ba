"""libvirt's events of storage pools: which pool something happened to, in the event thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import libvirt

from guests.errors import HypervisorError, NotSupported
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors

logger = logging.getLogger(__name__)


class PoolEvents:
    """The one subscription of a connection; ends with it."""

    def __init__(self, connection: Connection, callback: Callable[[UUID], None]) -> None:
        self._connection = connection
        self._callback = callback
        self._ids: list[int] = []
        # libvirt's registrations hold the connection: it would stay open for good.
        connection.before_close(self.end)
        for event, method in (
            (libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE, self._lifecycle),
            (libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH, self._refreshed),
        ):
            with suppress(NotSupported), translated_errors():
                self._ids.append(connection.own.storagePoolEventRegisterAny(None, event, method, None))

    def end(self) -> None:
        """Tell nothing more."""
        ids, self._ids = self._ids, []
        for number in ids:
            with suppress(HypervisorError), translated_errors():
                self._connection.own.storagePoolEventDeregisterAny(number)

    def _tell(self, pool: Any) -> None:
        try:
            self._callback(UUID(pool.UUIDString()))
        except Exception:
            logger.exception("a subscriber of pool events failed")

    def _lifecycle(self, _c: Any, pool: Any, _event: int, _detail: int, _opaque: Any) -> None:
        self._tell(pool)

    def _refreshed(self, _c: Any, pool: Any, _opaque: Any) -> None:
        self._tell(pool)


def watch_pools(c: Connection, callback: Callable[[UUID], None]) -> None:
    """Call `callback` with the pool of every event until the connection is closed; it must return at once and may not
    call libvirt. Drivers without such events tell none.
    """
    c.once("pool events", lambda: PoolEvents(c, callback))
