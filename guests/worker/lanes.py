"""Connections for operations: one caller at a time on each (`HostService.asking` says why), a few at most."""

from __future__ import annotations

import threading
from collections.abc import Callable

from guests.hypervisor.connection import Connection

LANES = 4


class Lanes:
    """Up to LANES connections of one host, opened when needed, lent to one thread at a time."""

    def __init__(self, open_lane: Callable[[], Connection]) -> None:
        self._open = open_lane
        self._free = threading.Semaphore(LANES)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []

    def borrow(self) -> Connection:
        """A connection of the caller's own until `give_back`; waits for one. HypervisorError where none opens."""
        self._free.acquire()
        try:
            with self._lock:
                while self._idle:
                    connection = self._idle.pop()
                    if connection.is_alive():
                        return connection
                    connection.close()
            return self._open()
        except BaseException:
            self._free.release()
            raise

    def give_back(self, connection: Connection) -> None:
        """The caller asks nothing more of it."""
        with self._lock:
            if connection.is_alive():
                self._idle.append(connection)
            else:
                connection.close()
        self._free.release()

    def close(self) -> None:
        """Close those that nobody has."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


class Lane:
    """The lane of one thread: borrowed at first use, given back while the thread waits for a guest."""

    def __init__(self, lanes: Lanes, shared: Callable[[], Connection]) -> None:
        """`shared` answers the connection that is read, or raises HypervisorUnreachable while the host is down."""
        self._lanes = lanes
        self._shared = shared
        self._connection: Connection | None = None

    def connect(self) -> Connection:
        """The connection to use now; do not keep it over a wait. HypervisorUnreachable while the host is down."""
        if self._connection is None:
            read = self._shared()
            if read.is_test:
                return read  # its state is in the connection, and it never hangs
            self._connection = self._lanes.borrow()
        return self._connection

    def release(self) -> None:
        """Give the connection back; the next `connect` borrows again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._lanes.give_back(connection)
