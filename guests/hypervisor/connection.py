"""Connections to libvirt hosts: opened under a deadline, watched by keepalive, told about when they close.

`libvirt.open` towards a stopped daemon never returns by itself, so it runs in a daemon thread that can be left behind.
At most OPENINGS_PER_URI threads are left behind for one address; further opens wait for one of them to end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

import libvirt
from django.conf import settings
from django.utils.translation import gettext as _

from guests.errors import AuthenticationFailed, HypervisorError, HypervisorUnreachable, NotSupported, OperationRefused
from guests.hypervisor.attempts import Attempt, Slots
from guests.hypervisor.event_loop import in_event_loop, start_event_loop
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.one_caller import OneCaller, Turn

__all__ = ["Connection", "open_connection", "start_event_loop", "translated_errors"]

logger = logging.getLogger(__name__)

OPENINGS_PER_URI = 6
OPEN_SECONDS = 5.0  # of a connection beside one on which a call hangs
CLOSE_SECONDS = 2.0
CLOSE_REASONS = {
    libvirt.VIR_CONNECT_CLOSE_REASON_ERROR: "error",
    libvirt.VIR_CONNECT_CLOSE_REASON_EOF: "eof",
    libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE: "keepalive",
    libvirt.VIR_CONNECT_CLOSE_REASON_CLIENT: "client",
}


class Connection:
    """One open connection; may be used by several threads. `raw` and `own` are libvirt's object, for this room only."""

    def __init__(self, uri: str, raw: Any) -> None:
        parts = urlsplit(uri)
        self.uri = uri
        self._turn = Turn()
        self._libvirt = raw
        self.own: Any = OneCaller(raw, self._turn)  # this connection itself, even while a call hangs on it
        self.host = parts.hostname or ""  # "" on this machine
        self.driver, _plus, self.transport = parts.scheme.partition("+")
        self.lacks: set[str] = set()  # calls that this host's driver was found not to have
        self.stuck_stats: list[threading.Thread] = []  # stats calls that have not come back
        self._beside: Connection | None = None  # where the host is asked while a call hangs on this one
        self._opening_beside = threading.Lock()
        self._closed = False
        self._watched = False
        self._listeners: list[Callable[[str], None]] = []
        self._endings: list[Callable[[], None]] = []
        self._kept: dict[str, Any] = {}
        self._lock = threading.RLock()

    @property
    def has_hung_guest(self) -> bool:
        """Whether a stats call is held up by a guest that does not answer: figures of some guests are missing."""
        return any(thread.is_alive() for thread in self.stuck_stats)

    @property
    def raw(self) -> Any:
        """Where to ask the host now. HypervisorUnreachable when that needs a connection that cannot be opened."""
        return self.free()[0].own

    def free(self) -> tuple[Connection, int]:
        """Itself, or a connection beside it while a stats call hangs here; and on how many one hangs.

        Opening it takes up to OPEN_SECONDS, and raises HypervisorUnreachable after them.
        """
        if not self.has_hung_guest:
            return self, 0
        with self._opening_beside:
            if self._closed:
                raise HypervisorUnreachable(_("The connection to the host is closed."))
            if self._beside is None or not self._beside.is_alive():
                if self._beside is not None:
                    self._beside.close()
                self._beside = open_connection(self.uri, deadline_s=OPEN_SECONDS)
            beside = self._beside
        free, hung = beside.free()
        return free, hung + 1

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What a module of this room keeps with a connection, made at first use."""
        with self._lock:
            if name not in self._kept:
                self._kept[name] = make()
            return self._kept[name]

    @property
    def is_test(self) -> bool:
        """Libvirt's test driver: state and resizing, no consoles, no keepalive, state of its own per connection."""
        return self.driver == "test"

    @property
    def is_local(self) -> bool:
        """On this machine: descriptors can be passed, and its loopback is ours (network namespaces apart)."""
        return not self.host and self.transport in {"", "unix"}

    def is_alive(self) -> bool:
        """Whether the connection is open as far as keepalive knows; asks nothing of the host."""
        try:
            with self._lock, translated_errors():  # under the lock: it is never asked of what is being closed
                return not self._closed and bool(self.own.isAlive())
        except NotSupported:
            return True
        except HypervisorError:
            return False

    def on_close(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener(reason)` in the event thread when the host goes away; the answer ends that."""
        with self._lock:
            self._listeners.append(listener)

        def forget() -> None:
            with self._lock, suppress(ValueError):
                self._listeners.remove(listener)

        return forget

    def before_close(self, ending: Callable[[], None]) -> None:
        """Call `ending` while the connection is being closed, before libvirt lets go of it."""
        with self._lock:
            self._endings.append(ending)

    def watch(self, keepalive: tuple[int, int]) -> None:
        """Keepalive (seconds between, how many may be missed) and the close callback, where the driver has them."""
        if self.is_test:
            return
        with suppress(NotSupported), translated_errors():
            self.own.setKeepAlive(*keepalive)
        with suppress(NotSupported), translated_errors():
            self.own.registerCloseCallback(self._was_closed, None)
            self._watched = True

    def _was_closed(self, _raw: Any, reason: int, _opaque: Any) -> None:
        word = CLOSE_REASONS.get(reason, "error")
        with self._lock:
            listeners = [] if self._closed else list(self._listeners)
        for listener in listeners:
            try:
                listener(word)
            except Exception:
                logger.exception("a listener of a closed connection failed")

    def close(self) -> None:
        """Close for good; never waits longer than 2 s for a host that hangs, and tells no listener."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._listeners.clear()
        closing = threading.Thread(target=self._close, name="libvirt-close", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)

    def _close(self) -> None:
        """In order: no call is under way, nothing is called back any more, then libvirt lets go."""
        with self._opening_beside:
            if self._beside is not None:
                self._beside.close()
        with self._turn.taken(-1):
            pass  # nothing is asked while a call hangs
        with self._lock:
            endings = list(self._endings)
        for end in endings:
            end()
        with suppress(HypervisorError), translated_errors():
            if self._watched:
                self.own.unregisterCloseCallback()
        # A callback that still runs holds a guest of this connection; the last to let go asks the host, and waits.
        in_event_loop(lambda: None)
        with suppress(HypervisorError), translated_errors(), self._turn.taken(-1):
            self._libvirt.close()


_slots = Slots(OPENINGS_PER_URI)


def _silent(seconds: float) -> HypervisorUnreachable:
    text = _("The host did not answer within %(seconds)d seconds.")
    return HypervisorUnreachable(text % {"seconds": round(seconds)})


def dialled(uri: str) -> str:
    """The address as it is dialled: ssh must never ask on the terminal of the process (`no_tty`)."""
    parts = urlsplit(uri)
    if not parts.scheme.endswith("+ssh"):
        return uri
    query = parse_qsl(parts.query, keep_blank_values=True)
    if not any(name == "no_tty" for name, _value in query):
        query.append(("no_tty", "1"))
    return urlunsplit(SplitResult(parts.scheme, parts.netloc, parts.path, urlencode(query, safe="/"), parts.fragment))


def _opened(uri: str, keepalive: tuple[int, int]) -> Connection:
    with translated_errors():
        connection = Connection(uri, libvirt.open(dialled(uri)))
    connection.watch(keepalive)
    return connection


def open_connection(
    uri: str,
    *,
    deadline_s: float | None = None,
    keepalive: tuple[int, int] | None = None,
    on_close: Callable[[str], None] | None = None,
) -> Connection:
    """Open within `deadline_s` seconds, or raise HypervisorUnreachable, AuthenticationFailed or OperationRefused.

    `keepalive` is (seconds between, missed): a host that hangs is noticed after seconds × (missed + 1). Both are the
    settings' where they are None. `on_close` gets error, eof, keepalive or client, in the event thread, when the
    connection ends without `close()`.
    """
    deadline_s = settings.OPEN_DEADLINE_SECONDS if deadline_s is None else deadline_s
    keepalive = keepalive or (settings.KEEPALIVE_INTERVAL_SECONDS, settings.KEEPALIVE_COUNT)
    start_event_loop()
    if not urlsplit(uri).scheme:
        raise OperationRefused(_("This is no libvirt address: it must look like qemu:///system."), detail=uri)
    slot = _slots.of(uri)
    if not slot.acquire(timeout=deadline_s):
        raise _silent(deadline_s)
    try:
        try:
            connection = Attempt(partial(_opened, uri, keepalive), Connection.close, slot).wait(deadline_s)
        except TimeoutError:
            raise _silent(deadline_s) from None
    except AuthenticationFailed:
        raise
    except HypervisorUnreachable as error:
        raise HypervisorUnreachable(
            _("The host does not answer: it may be off, unreachable, or its libvirt is stopped."),
            detail=error.detail or str(error),
            code=error.code,
        ) from error
    except (NotSupported, OperationRefused) as error:
        raise OperationRefused(
            _("libvirt cannot use this address: check its driver, transport and parameters."),
            detail=error.detail,
            code=error.code,
        ) from error
    if on_close is not None:
        connection.on_close(on_close)
    return connection
