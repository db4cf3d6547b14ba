"""Calls that may never come back: over a connection that nobody else uses, each waited for so long and no longer.

One that does not come back is left behind with its connection; a few at most, as each keeps a thread of the host's
libvirtd busy. The test driver is asked over the shared connection: its state is in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings

from guests.hypervisor.attempts import Attempt
from guests.hypervisor.connection import Connection, open_connection

if TYPE_CHECKING:
    from guests.worker.host_service import HostService

_T = TypeVar("_T")

MOST_LEFT_BEHIND = 3


class OwnCalls:
    """The calls of one thread to its host."""

    def __init__(self, service: HostService) -> None:
        self._service = service
        self._connection: Connection | None = None
        self._slots = threading.Semaphore(MOST_LEFT_BEHIND + 1)
        self._left_behind: list[tuple[Attempt[object], Connection]] = []

    @property
    def are_too_many(self) -> bool:
        """Whether so many calls were left behind that nothing more may be asked."""
        return len(self._left_behind) > MOST_LEFT_BEHIND

    def connect(self) -> Connection:
        """The connection to use now. HypervisorUnreachable where none opens."""
        read = self._service.connection()
        if read.is_test:
            return read
        if self._connection is None or not self._connection.is_alive():
            self.let_go()
            self._connection = open_connection(
                self._service.uri,
                deadline_s=settings.OPEN_DEADLINE_SECONDS,
                keepalive=(settings.KEEPALIVE_INTERVAL_SECONDS, settings.KEEPALIVE_COUNT),
            )
        return self._connection

    def within(self, seconds: float, ask: Callable[[Connection], _T]) -> _T:
        """What the host answers; TimeoutError when the call was left behind."""
        connection = self.connect()
        self._slots.acquire()  # never waits where `are_too_many` was asked before
        attempt: Attempt[_T] = Attempt(lambda: ask(connection), lambda _answer: None, self._slots)
        try:
            return attempt.wait(seconds)
        except TimeoutError:
            if connection is self._connection:
                self._left_behind.append((attempt, connection))  # type: ignore[arg-type]
                self._connection = None
            raise

    def let_go(self) -> None:
        """Close the connection; no call is under way on it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close_those_that_came_back(self) -> None:
        """Connections of calls that were left behind and are over."""
        over = [entry for entry in self._left_behind if entry[0].is_over]
        self._left_behind = [entry for entry in self._left_behind if entry not in over]
        for _attempt, connection in over:
            connection.close()
