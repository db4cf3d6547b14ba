"""The relay's server: one thread a connection (`waiting_threads`), no fork, no port of its own.

It takes connections that the web process accepted, as descriptors over a unix socket (`settings.HANDOFF_SOCKET`).
`VNCServer(sessions).start()` and `.stop()` run inside `manage.py consoleserver`.
"""

from __future__ import annotations

import ctypes
import logging
import os
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import HTTPServer
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection as database

from consoles.sessions import LiveSessions
from consoles.vnc.handler import VNCHandler
from consoles.vnc.recordings import Recordings
from consoles.vnc.seats import Seats
from consoles.vnc.targets import ConsoleHosts
from consoles.vnc.visits import Visits
from consoles.vnc.waiting_threads import WaitingThreads
from consoles.vnc.warm_database import WarmDatabase
from guests.inventory.changes import ChangeFeed, Feed

logger = logging.getLogger(__name__)

ARENAS = 2  # of glibc's allocator, for all threads together
_M_ARENA_MAX = -8  # malloc.h
WAITING_LIMIT = 64  # connections that have not shown a ticket yet
CARRIER_SECONDS = 2.0


class RelayServer(HTTPServer):
    """Receives descriptors instead of accepting; knows who has not shown a ticket yet."""

    address_family = socket.AF_UNIX
    request_queue_size = 512
    # What websockify's handler looks for.
    only_upgrade = True
    verbose = False
    web_auth = False
    logger = logger

    def __init__(self, path: Path, sessions: LiveSessions, hosts: ConsoleHosts) -> None:
        self.sessions = sessions
        self.hosts = hosts
        self.database = WarmDatabase()
        self.visits = Visits()
        self.seats = Seats(self.database)
        self.recordings = Recordings(self.database)
        self._waiting: OrderedDict[socket.socket, None] = OrderedDict()
        self._lock = threading.Lock()
        super().__init__(str(path), VNCHandler)  # type: ignore[arg-type]

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        os.chmod(str(self.server_address), 0o600)  # noqa: PTH101 a socket's path
        self.server_name, self.server_port = "guesthouse", 0

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection that the web process hands over."""
        carrier, _address = self.socket.accept()
        with carrier:
            carrier.settimeout(CARRIER_SECONDS)
            _message, descriptors, _flags, _sender = socket.recv_fds(carrier, 64, 1)
        if not descriptors:
            raise OSError("nothing was handed over")
        connection = socket.socket(fileno=descriptors[0])
        connection.setblocking(True)
        try:
            return connection, connection.getpeername()
        except OSError:
            connection.close()
            raise

    def take(self) -> Callable[[], None]:
        """Wait for the next connection; what is to be done with it, to its end. OSError where it cannot be had."""
        return partial(self._serve, *self.get_request())

    def end(self) -> None:
        """Take no more: those who wait in `take` are woken."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def _serve(self, connection: socket.socket, address: Any) -> None:
        self._await_ticket(connection)
        try:
            self.finish_request(connection, address)
        except Exception:
            self.handle_error(connection, address)
        finally:
            self.shutdown_request(connection)

    def _await_ticket(self, connection: socket.socket) -> None:
        """Of too many that have shown no ticket, the oldest goes.

        So a flood of half-open handshakes costs those who flood, not the person who comes next.
        """
        oldest: socket.socket | None = None
        with self._lock:
            self._waiting[connection] = None
            if len(self._waiting) > WAITING_LIMIT:
                oldest, _nothing = self._waiting.popitem(last=False)
        if oldest is not None:
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)

    def let_in(self, connection: socket.socket) -> None:
        """Note that this one has shown a ticket that was good."""
        with self._lock:
            self._waiting.pop(connection, None)

    def shutdown_request(self, request: Any) -> None:
        self.let_in(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is nothing to shout about; anything else is logged without what was sent."""
        logger.debug("a connection ended with an error", exc_info=True)


class VNCServer:
    """The graphical half of the console server."""

    def __init__(self, sessions: LiveSessions, feed: ChangeFeed | None = None) -> None:
        self._sessions = sessions
        self._feed = feed
        self._unsubscribe: Callable[[], None] = lambda: None
        self._hosts = ConsoleHosts()
        self._path = Path(settings.HANDOFF_SOCKET)
        self._server: RelayServer | None = None
        self._threads: WaitingThreads | None = None

    def start(self) -> None:
        """Begin to take connections. A socket file that an earlier console server left is replaced."""
        share_arenas()
        self._path.unlink(missing_ok=True)
        self._server = RelayServer(self._path, self._sessions, self._hosts)
        self._server.recordings.start()  # before anybody can begin one
        self._threads = WaitingThreads(self._server.take, "vnc-relay")
        self._threads.start()
        if self._feed:
            self._unsubscribe = self._feed.subscribe(self._hear)

    def _hear(self, moved: dict[Feed, int]) -> None:
        if Feed.CONSOLES in moved:
            threading.Thread(target=self._look_at_settings, name="vnc-settings", daemon=True).start()

    def _look_at_settings(self) -> None:
        try:
            if self._server is not None:
                self._server.seats.settings_changed()
                self._server.recordings.sweep()
        except Exception:
            logger.exception("what changed in the settings of consoles could not be found out")
        finally:
            database.close()

    def stop(self) -> None:
        """Take no more connections. Those that are open end through `LiveSessions.stop()`."""
        self._unsubscribe()
        if self._server is not None and self._threads is not None:
            self._threads.stop()
            self._server.end()
            self._server.seats.close()
            self._server.database.close()
            self._path.unlink(missing_ok=True)
        self._hosts.close()


def share_arenas() -> None:
    """Keep glibc from giving each relaying thread an arena of its own, which keeps what its handshake once used."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)
