"""One caller at a time on a libvirt connection, whatever thread it comes from.

libvirt's client before 10.3 cannot bear a second one: when keepalive ends the connection the second caller is never
woken, and when the host goes on, data left on the first one's stack is used: a crash of the process (CVE-2024-4418,
not fixed in Debian 12's 9.0). A connection that is closed during a call would be used after it was freed, too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import libvirt
from django.utils.translation import gettext as _

from guests.errors import OperationRefused

WAIT_SECONDS = 45.0  # libvirt gives up on a guest's lock after 30 s, keepalive on a host after 12 s

# Answered in this process: they never wait for the host, and the event thread may use them.
LOCAL = frozenset(
    {"ID", "UUID", "UUIDString", "name", "isAlive", "recv"}
    | {"eventAddCallback", "eventUpdateCallback", "eventRemoveCallback"}
)


# Whose calls go to the host, too.
ASKED = (
    libvirt.virDomain,
    libvirt.virDomainSnapshot,
    libvirt.virStream,
    libvirt.virNetwork,
    libvirt.virStoragePool,
    libvirt.virStorageVol,
)


class Turn:
    """Whose turn it is on one connection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, seconds: float) -> Iterator[None]:
        """Have the turn; OperationRefused when another call keeps it for `seconds`. -1 waits for ever."""
        if not self._lock.acquire(timeout=seconds):
            raise OperationRefused(_("The host is busy with an earlier call that does not come back."))
        try:
            yield
        finally:
            self._lock.release()


class OneCaller:
    """A virConnect or what it answered of `ASKED`: its calls wait for their turn."""

    def __init__(self, real: Any, turn: Turn, seconds: float = WAIT_SECONDS) -> None:
        self._real = real
        self._turn = turn
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)
        if name in LOCAL:
            return method

        def call(*arguments: Any) -> Any:
            bare = [_bare(argument) for argument in arguments]
            with self._turn.taken(self._seconds):
                answer = method(*bare)
            return self._wrapped(answer)

        return call

    def _wrapped(self, answer: Any) -> Any:
        if isinstance(answer, ASKED):
            return OneCaller(answer, self._turn, self._seconds)
        if isinstance(answer, (list, tuple)):
            return type(answer)(self._wrapped(part) for part in answer)
        return answer


def _bare(argument: Any) -> Any:
    if isinstance(argument, list):
        return [_bare(part) for part in argument]
    return argument._real if isinstance(argument, OneCaller) else argument
