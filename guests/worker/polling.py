"""One connection to a host and the thread that reads it: connect, read everything, then a sample every tick."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from django.utils.translation import gettext as _

from guests.errors import AuthenticationFailed, HypervisorError, HypervisorUnreachable
from guests.hypervisor.capabilities import read_offers
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.events import subscribe
from guests.hypervisor.host_cpus import read_cpus
from guests.hypervisor.networks import list_networks
from guests.hypervisor.pool_events import watch_pools
from guests.hypervisor.reading import free_memory_kib, host_facts, list_guests, list_stats, up_seconds
from guests.hypervisor.vcpu_tuning import cpu_models
from guests.inventory.capabilities import keep_offers
from guests.inventory.cpus import keep_cpus
from guests.inventory.host_rows import fact_columns, write_host_state
from guests.inventory.leases import LeaseLost
from guests.inventory.models import HostState
from guests.inventory.networks import keep_networks
from guests.operations.host_starts import tell_uptime
from guests.worker.backoff import Backoff
from guests.worker.database import database_work, with_own_connection

if TYPE_CHECKING:
    from guests.worker.host_service import HostService

logger = logging.getLogger(__name__)


class Polling:
    """Reads one host until stopped. A call that never comes back is left behind with this object: see `stuck_for`."""

    def __init__(self, service: HostService) -> None:
        self.connection: Connection | None = None
        self._service = service
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._closed: str | None = None
        self._asking_since: float | None = None
        self._backoff = Backoff()
        self._thread = threading.Thread(target=with_own_connection(self._run), name=f"poll-{service.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it closes its connection."""
        self._stop.set()
        self._wake.set()

    def join(self, seconds: float) -> bool:
        """Whether the thread ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def stuck_for(self) -> float:
        """For how many seconds the host has not come back from what it was asked."""
        since = self._asking_since
        return time.monotonic() - since if since is not None else 0.0

    def _run(self) -> None:
        while not self._stop.is_set():
            state, error = self._connect_and_read()
            if state is None or self._stop.is_set():
                return
            self._say(state, error, self._backoff.next_seconds())

    def _connect_and_read(self) -> tuple[HostState | None, HypervisorError]:
        """Serve the host until something ends that: what the host is then, or None when it is no longer ours."""
        try:
            self._serve()
        except LeaseLost:
            self._service.lose_lease()
        except AuthenticationFailed as error:
            return HostState.AUTH_FAILED, error
        except HypervisorError as error:
            return HostState.UNREACHABLE, error
        except Exception as error:
            logger.exception("reading host %s failed", self._service.name)
            message = _("Guesthouse failed while it read this host, and tries again; its log says more.")
            return HostState.DEGRADED, HypervisorError(message, detail=repr(error))
        finally:
            self._asking_since = None
            self._service.went_down(self)
            if self.connection is not None:
                self.connection.close()
        return None, HypervisorError("")

    def _say(self, state: HostState, error: HypervisorError, seconds: float) -> None:
        """Tell the state of the host, and wait for the next attempt."""
        next_try_at = timezone.now() + timedelta(seconds=seconds)
        try:
            with database_work():
                write_host_state(self._service.lease, state, str(error), detail=error.detail, next_try_at=next_try_at)
        except LeaseLost:
            self._service.lose_lease()
            self._stop.set()
        except DatabaseError:
            logger.exception("the state of host %s could not be written", self._service.name)
        self._stop.wait(seconds)

    def _serve(self) -> None:
        self._closed = None
        self._wake.clear()
        self.connection = connection = open_connection(self._service.uri, on_close=self._on_close)
        self._asking_since = time.monotonic()
        unsubscribe = subscribe(connection, self._service.receive)  # before reading, so that nothing falls between
        watch_pools(connection, self._service.storage.read_soon)
        try:
            with database_work():
                self._read_all(connection)
                write_host_state(self._service.lease, HostState.UP)
            self._asking_since = None
            self._backoff.reset()
            self._service.came_up(self)
            self._read_offers(connection)
            self._tick_until_closed(connection)
        finally:
            # While a call hangs on it nothing more is asked of this connection; `close` ends the events, too.
            if connection.is_alive() and not connection.has_hung_guest:
                unsubscribe()

    def _on_close(self, reason: str) -> None:
        self._closed = reason
        self._wake.set()

    def _read_all(self, connection: Connection) -> None:
        self._service.forget_resync()
        read_at = time.monotonic()
        with self._service.asking:
            facts, guests, networks = host_facts(connection), list_guests(connection), list_networks(connection)
            seconds_up = up_seconds(connection)
        tell_uptime(self._service.lease, seconds_up)
        self._service.inventory.resync(guests, read_at, seen_at=timezone.now(), **fact_columns(facts))
        keep_networks(self._service.lease, networks)

    def _read_offers(self, connection: Connection) -> None:
        """Once a connection, and after the guests: libvirt may try each emulator first, which takes seconds."""
        self._asking_since = time.monotonic()
        with self._service.asking:
            offers, cpus = read_offers(connection), read_cpus(connection)
            names = cpu_models(connection)
        with database_work():
            keep_offers(self._service.lease, offers)
            keep_cpus(self._service.lease, cpus, names)
        self._asking_since = None

    def _tick_until_closed(self, connection: Connection) -> None:
        self._service.inventory.forget_samples()
        next_tick = time.monotonic()
        next_resync = next_tick + settings.RESYNC_SECONDS
        state = HostState.UP
        while True:
            self._wake.wait(max(0.0, next_tick - time.monotonic()))
            if self._stop.is_set():
                return
            if self._closed is not None or not connection.is_alive():
                raise HypervisorUnreachable(_closed_sentence(self._closed))
            self._asking_since = time.monotonic()
            with database_work():
                due = time.monotonic() >= next_resync or self._service.wants_resync()
                if due and not connection.has_hung_guest:
                    self._read_all(connection)
                    next_resync = time.monotonic() + settings.RESYNC_SECONDS
                state = self._tick(connection, state)
            self._asking_since = None
            next_tick += settings.TICK_SECONDS
            if next_tick < time.monotonic():  # a slow host: no burst to catch up
                next_tick = time.monotonic() + settings.TICK_SECONDS

    def _tick(self, connection: Connection, state: HostState) -> HostState:
        """One bulk call, one write; answers the state that the host has then."""
        read_at = time.monotonic()
        with self._service.asking:
            samples = list_stats(connection, self._service.inventory.live_definitions())
            free_kib = None if connection.has_hung_guest else free_memory_kib(connection)
        milliseconds = round((time.monotonic() - read_at) * 1000)
        unread = self._service.inventory.tick(
            samples, read_at, seen_at=timezone.now(), tick_ms=milliseconds, free_memory_kib=free_kib
        )
        self._service.read_soon(unread)
        hangs = connection.has_hung_guest
        now = HostState.DEGRADED if hangs else HostState.UP
        if now is not state:
            message = _("A guest of this host hangs: figures of some guests are missing.") if hangs else ""
            write_host_state(self._service.lease, now, message)
        return now


def _closed_sentence(reason: str | None) -> str:
    if reason == "keepalive":
        return _("The host does not answer any more: it hangs, or the network to it is gone.")
    return _("The connection to the host was closed: its libvirt was stopped or restarted.")
