"""Who is at which guest's screen now: all visits of this console server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from consoles.vnc.visit import Visit


class Visits:
    """In the order they came. Called from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._there: dict[str, Visit] = {}

    @contextmanager
    def present(self, visit: Visit) -> Iterator[None]:
        """While it lasts, it is one of them."""
        with self._lock:
            self._there[visit.id] = visit
        try:
            yield
        finally:
            with self._lock:
                del self._there[visit.id]

    def at(self, guest_id: UUID) -> list[Visit]:
        """Those at one guest."""
        with self._lock:
            return [visit for visit in self._there.values() if visit.guest.pk == guest_id]
