"""Calls that may never come back: over a connection that nobody else uses, each waited for so long and no longer.

One that does not come back is left behind with its connection; a few at most, as each keeps a thread of the host's
libvirtd busy. The test driver is asked over the shared connection: its state is in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, TypeVar

from guests.hypervisor.attempts import Attempt
from guests.hypervisor.connection import Connection, open_connection

if TYPE_CHECKING:
    from guests.worker.host_service import HostService

_T = TypeVar("_T")

MOST_LEFT_BEHIND = 3


class OwnCalls:
    """The calls of one thread to its host; nothing more is asked once `most` were left behind and one more."""

    def __init__(self, service: HostService, most: int = MOST_LEFT_BEHIND) -> None:
        self._service = service
        self._most = most
        self._connection: Connection | None = None
        self._slots = threading.Semaphore(most + 1)
        self._left_behind: list[tuple[Hashable, Attempt[object], Connection | None]] = []

    @property
    def are_too_many(self) -> bool:
        """Whether so many calls were left behind that nothing more may be asked."""
        return len(self._left_behind) > self._most

    def is_left_behind(self, about: Hashable) -> bool:
        """Whether a call about this was left behind, and did not come back yet."""
        return any(entry[0] == about for entry in self._left_behind)

    def connect(self) -> Connection:
        """The connection to use now. HypervisorUnreachable where none opens."""
        read = self._service.connection()
        if read.is_test:
            return read
        if self._connection is None or not self._connection.is_alive():
            self.let_go()
            self._connection = open_connection(self._service.uri)
        return self._connection

    def within(self, seconds: float, ask: Callable[[Connection], _T], about: Hashable = None) -> _T:
        """What the host answers; TimeoutError when the call was left behind, or too many were."""
        connection = self.connect()
        if self.are_too_many:
            raise TimeoutError
        self._slots.acquire()  # never waits: those that were left behind were just counted
        attempt: Attempt[_T] = Attempt(lambda: ask(connection), lambda _answer: None, self._slots)
        try:
            return attempt.wait(seconds)
        except TimeoutError:
            own, self._connection = self._connection, None  # none of the test driver: its connection is shared
            self._left_behind.append((about, attempt, own))  # type: ignore[arg-type]
            raise

    def let_go(self) -> None:
        """Close the connection; no call is under way on it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close_those_that_came_back(self) -> list[Hashable]:
        """Connections of calls that were left behind and are over; what these were about."""
        over = [entry for entry in self._left_behind if entry[1].is_over]
        self._left_behind = [entry for entry in self._left_behind if entry not in over]
        for _about, _attempt, connection in over:
            if connection is not None:
                connection.close()
        return [about for about, _attempt, _connection in over]
