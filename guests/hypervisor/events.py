"""libvirt's domain events as `GuestEvent`s, in the event thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import libvirt

from guests.errors import HypervisorError, NotSupported
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.states import reason_of_stop
from guests.resources import DEVICE_KEPT, EventKind, GuestEvent

logger = logging.getLogger(__name__)

Callback = Callable[[GuestEvent], None]

_LIFECYCLE = {
    libvirt.VIR_DOMAIN_EVENT_DEFINED: "defined",
    libvirt.VIR_DOMAIN_EVENT_UNDEFINED: "undefined",
    libvirt.VIR_DOMAIN_EVENT_STARTED: "started",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: "suspended",
    libvirt.VIR_DOMAIN_EVENT_RESUMED: "resumed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED: "stopped",
    libvirt.VIR_DOMAIN_EVENT_SHUTDOWN: "shutdown",
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: "pmsuspended",
    libvirt.VIR_DOMAIN_EVENT_CRASHED: "crashed",
}


class Subscriptions:
    """All subscribers of one connection. libvirt takes each event once per connection ("callback already tracked"), so
    they share one registration: made for the first of them, ended with the last.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._callbacks: tuple[Callback, ...] = ()
        self._ids: list[int] = []
        # libvirt's registrations hold the connection: it would stay open for good.
        connection.before_close(self.end)

    def add(self, callback: Callback) -> None:
        """Tell `callback` from now on."""
        with self._lock:
            if not self._ids:
                try:
                    self._register()
                except HypervisorError:
                    self._deregister()
                    raise
            self._callbacks = (*self._callbacks, callback)

    def remove(self, callback: Callback) -> None:
        """Tell it nothing more; a connection that was closed has forgotten everybody already."""
        with self._lock:
            if callback not in self._callbacks:
                return
            self._callbacks = tuple(other for other in self._callbacks if other != callback)
            if not self._callbacks:
                self._deregister()

    def end(self) -> None:
        """Tell nobody anything more."""
        with self._lock:
            self._callbacks = ()
            self._deregister()

    def _register(self) -> None:
        """Ask libvirt for every event that the driver has; lifecycle events are required."""
        own = self._connection.own
        with translated_errors():
            self._ids.append(
                own.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle, None)
            )
        for event, method in (
            (libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, self._reboot),
            (libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, self._balloon),
            (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, self._device_added),
            (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, self._device_removed),
            (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, self._device_kept),
            (libvirt.VIR_DOMAIN_EVENT_ID_MEMORY_DEVICE_SIZE_CHANGE, self._memory_device),
            (libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, self._metadata),
            (libvirt.VIR_DOMAIN_EVENT_ID_TRAY_CHANGE, self._tray),
        ):
            with suppress(NotSupported), translated_errors():
                self._ids.append(own.domainEventRegisterAny(None, event, method, None))

    def _deregister(self) -> None:
        ids, self._ids = self._ids, []
        for number in ids:
            with suppress(HypervisorError), translated_errors():
                self._connection.own.domainEventDeregisterAny(number)

    def _tell(self, domain: Any, kind: EventKind, detail: str, kib: int | None = None, reason: str = "") -> None:
        event = GuestEvent(kind, UUID(domain.UUIDString()), domain.name(), detail, kib, reason)
        for callback in self._callbacks:
            try:
                callback(event)
            except Exception:
                logger.exception("a subscriber of guest events failed")

    def _lifecycle(self, _c: Any, domain: Any, event: int, detail: int, _opaque: Any) -> None:
        word = _LIFECYCLE.get(event, "changed")
        kind = EventKind.DEFINITION if word in {"defined", "undefined"} else EventKind.LIFECYCLE
        self._tell(domain, kind, word, reason=reason_of_stop(detail) if word == "stopped" else "")

    def _reboot(self, _c: Any, domain: Any, _opaque: Any) -> None:
        self._tell(domain, EventKind.REBOOT, "reboot")

    def _balloon(self, _c: Any, domain: Any, kib: int, _opaque: Any) -> None:
        self._tell(domain, EventKind.BALLOON, "balloon", kib)

    def _device_added(self, _c: Any, domain: Any, alias: str, _opaque: Any) -> None:
        self._tell(domain, EventKind.DEFINITION, f"device added: {alias}")

    def _device_removed(self, _c: Any, domain: Any, alias: str, _opaque: Any) -> None:
        self._tell(domain, EventKind.DEFINITION, f"device removed: {alias}")

    def _device_kept(self, _c: Any, domain: Any, alias: str, _opaque: Any) -> None:
        self._tell(domain, EventKind.DEFINITION, f"{DEVICE_KEPT}{alias}")

    def _memory_device(self, _c: Any, domain: Any, alias: str, _kib: int, _opaque: Any) -> None:
        self._tell(domain, EventKind.DEFINITION, f"memory device: {alias}")

    def _metadata(self, _c: Any, domain: Any, _type: int, _uri: str | None, _opaque: Any) -> None:
        self._tell(domain, EventKind.DEFINITION, "metadata")

    def _tray(self, _c: Any, domain: Any, alias: str, _reason: int, _opaque: Any) -> None:
        self._tell(domain, EventKind.DEFINITION, f"tray: {alias}")


def subscribe(c: Connection, callback: Callback) -> Callable[[], None]:
    """Call `callback` with every event of every guest from now on; the answer ends it.

    The callback runs in the event thread of the whole process: it must return at once and may not call libvirt. Events
    are lost while a connection is down: read everything again after opening a new one.
    """
    subscriptions: Subscriptions = c.once("events", lambda: Subscriptions(c))

    def tell(event: GuestEvent) -> None:  # one of its own for each subscriber, even if one callback subscribes twice
        callback(event)

    subscriptions.add(tell)
    return lambda: subscriptions.remove(tell)
