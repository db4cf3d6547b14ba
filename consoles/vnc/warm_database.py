"""Database connections that stay open between handshakes, lent to a thread for the moment in which it asks something.

A relaying thread may last for hours and holds none. Opening one for each handshake would cost as much as all that the
handshake asks: SQLite reads the schema and compiles every statement anew, PostgreSQL starts a process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

KEPT = 4  # idle ones; more are opened when more are needed at once, and closed again


class WarmDatabase:
    """Lends connections to many threads, each to one at a time."""

    def __init__(self) -> None:
        self._idle: deque[BaseDatabaseWrapper] = deque()
        self._kept = KEPT

    @contextmanager
    def lent(self) -> Iterator[None]:
        """While it lasts, it is the default connection of this thread."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = _another()
        connection.close_if_unusable_or_obsolete()
        connections[DEFAULT_DB_ALIAS] = connection
        try:
            yield
        finally:
            del connections[DEFAULT_DB_ALIAS]
            connection.close_if_unusable_or_obsolete()
            if len(self._idle) < self._kept and not connection.in_atomic_block:
                self._idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close those that are idle, and each other one when it comes back."""
        self._kept = 0
        while self._idle:
            self._idle.pop().close()


def _another() -> BaseDatabaseWrapper:
    connection = connections.create_connection(DEFAULT_DB_ALIAS)
    # It outlives the thread, so it is asked before each use whether it still lives (PostgreSQL; free on SQLite).
    connection.settings_dict = connection.settings_dict | {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
    connection.inc_thread_sharing()
    return connection
