"""Everything that this worker does for one host: threads that poll, apply events, act, take pictures, ask for
addresses, read storage and CPUs, none of which waits for another host. They are daemons: one that hangs in libvirt
never holds up the end of the process.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from uuid import UUID

from django.db import DatabaseError
from django.utils.translation import gettext as _

from guests.errors import GuestNotFound, HypervisorError, HypervisorUnreachable
from guests.hypervisor.connection import Connection
from guests.hypervisor.reading import get_guest
from guests.inventory.host_inventory import HostInventory
from guests.inventory.host_rows import write_host_state
from guests.inventory.leases import Lease, LeaseLost
from guests.inventory.models import HostState
from guests.resources import GuestEvent
from guests.worker.action_thread import ActionThread
from guests.worker.address_thread import AddressThread
from guests.worker.cpu_thread import CPUThread
from guests.worker.database import database_work, with_own_connection
from guests.worker.event_watchers import EventWatchers
from guests.worker.picture_thread import PictureThread
from guests.worker.polling import Polling
from guests.worker.storage_thread import StorageThread

logger = logging.getLogger(__name__)

STUCK_SECONDS = 45.0  # libvirt gives up on a guest's lock after 30 s, keepalive on a host after 12 s
MOST_LEFT_BEHIND = 4


class HostService:
    """One leased host."""

    def __init__(self, lease: Lease, name: str, uri: str, on_lost: Callable[[Lease], None]) -> None:
        self.lease = lease
        self.name = name
        self.uri = uri
        self.inventory = HostInventory(lease)
        self.watchers = EventWatchers()
        # One caller at a time on a connection: libvirt 9.0 never wakes a second one when keepalive ends it.
        self.asking = threading.Lock()
        self.is_down = False  # the last attempt to connect failed
        self._on_lost = on_lost
        self._stop = threading.Event()
        self._resync = threading.Event()
        self._up: Connection | None = None
        self._incoming: queue.SimpleQueue[GuestEvent | UUID | None] = queue.SimpleQueue()
        self._left_behind: list[Polling] = []
        self._polling = Polling(self)
        self._events = threading.Thread(
            target=with_own_connection(self._apply_events), name=f"events-{name}", daemon=True
        )
        self.actions = ActionThread(self)
        self.pictures = PictureThread(self)
        self.addresses = AddressThread(self)
        self.storage = StorageThread(self)
        self.cpus = CPUThread(self)
        self._beside = (self.actions, self.pictures, self.addresses, self.storage, self.cpus)

    def start(self) -> None:
        """Begin to serve the host; returns at once."""
        self._events.start()
        for thread in self._beside:
            thread.start()
        self._polling.start()

    def stop(self) -> None:
        """Ask every thread to end; returns at once."""
        self._stop.set()
        self._polling.stop()
        self._incoming.put(None)
        for thread in self._beside:
            thread.stop()

    def join(self, seconds: float) -> bool:
        """Whether all threads ended within so many seconds."""
        deadline = time.monotonic() + seconds
        self._events.join(max(0.0, deadline - time.monotonic()))
        ended = [thread.join(max(0.0, deadline - time.monotonic())) for thread in (self._polling, *self._beside)]
        return all(ended) and not self._events.is_alive()

    def lose_lease(self) -> None:
        """Another worker has the host: write nothing more."""
        if not self._stop.is_set():
            logger.warning("host %s is served by another worker now", self.name)
            self.stop()
            self._on_lost(self.lease)

    @property
    def is_up(self) -> bool:
        """Whether the host was read over a connection that stands."""
        return self._up is not None

    def connection(self) -> Connection:
        """The connection that is read; HypervisorUnreachable while there is none."""
        up = self._up
        if up is None:
            raise HypervisorUnreachable(_("The host does not answer."))
        return up

    def came_up(self, polling: Polling) -> None:
        """The host was read; operations may run."""
        if polling is self._polling:
            self._up, self.is_down = polling.connection, False
            self.actions.wake()
            self.pictures.wake()
            self.cpus.wake()
            self.addresses.wake()
            self.storage.read_all_soon()

    def went_down(self, polling: Polling) -> None:
        """The host is not read any more; queued operations are told so."""
        if polling is self._polling:
            self._up, self.is_down = None, True
            self.actions.wake()

    def receive(self, event: GuestEvent) -> None:
        """Take an event from libvirt's thread."""
        self._incoming.put(event)

    def read_soon(self, uuids: Iterable[UUID]) -> None:
        """Read these guests' XML, in the event thread."""
        for uuid in uuids:
            self._incoming.put(uuid)

    def look_at_arrivals(self) -> None:
        """Another host may have let go of a guest that is migrated here."""
        self.read_soon(self.inventory.arriving())

    def wants_resync(self) -> bool:
        """Whether something was missed, so that everything should be read again."""
        return self._resync.is_set()

    def forget_resync(self) -> None:
        """Everything is about to be read."""
        self._resync.clear()

    def leave_stuck_poll_behind(self) -> None:
        """Called every second: give up on a call that does not come back, and connect anew beside it."""
        if self._polling.stuck_for() < STUCK_SECONDS or self._stop.is_set():
            return
        self._left_behind = [polling for polling in self._left_behind if not polling.join(0)]
        if len(self._left_behind) >= MOST_LEFT_BEHIND:
            return
        logger.warning("host %s did not come back from a call; connecting anew", self.name)
        stuck, self._polling = self._polling, Polling(self)
        stuck.stop()
        self._left_behind.append(stuck)
        self._up, self.is_down = None, True
        write_host_state(self.lease, HostState.UNREACHABLE, _("The host took a call and did not come back from it."))
        self._polling.start()

    def _apply_events(self) -> None:
        unread: dict[UUID, None] = {}
        while True:
            item = self._next_item(wait=not unread)
            if item is None and (self._stop.is_set() or not unread):
                return
            try:
                with database_work():
                    if item is None:  # nothing newer to tell: read one guest, then look again
                        uuid = next(iter(unread))
                        del unread[uuid]
                        self._read(uuid)
                    elif isinstance(item, UUID):
                        unread[item] = None
                    else:
                        self._tell(item, unread)
            except LeaseLost:
                self.lose_lease()
                return
            except DatabaseError:
                logger.exception("an event of host %s could not be written", self.name)
                self._resync.set()

    def _next_item(self, *, wait: bool) -> GuestEvent | UUID | None:
        """The next event or guest to read; None for "stop", and where there is none and `wait` is off."""
        try:
            return self._incoming.get(block=wait)
        except queue.Empty:
            return None

    def _tell(self, event: GuestEvent, unread: dict[UUID, None]) -> None:
        try:
            if self.inventory.tell(event):
                unread[event.uuid] = None
        finally:
            self.watchers.tell(event)

    def _read(self, uuid: UUID) -> None:
        try:
            with self.asking:
                connection = self.connection()
                if connection.has_hung_guest:
                    raise HypervisorUnreachable(_("A guest of this host hangs: it is read once that is over."))
                read_at = time.monotonic()
                guest = get_guest(connection, uuid, snapshots=True)
            self.inventory.refresh(guest, read_at)
        except GuestNotFound:
            self.inventory.lose(uuid, read_at)
        except HypervisorError as error:
            logger.info("guest %s of host %s could not be read: %s", uuid, self.name, error.detail or error)
            self._resync.set()
