"""Who waits for the next event of one guest: operations that expect it to move."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from guests.resources import GuestEvent


class EventWatchers:
    """The waiting threads of one host; `tell` never blocks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: list[tuple[UUID, queue.SimpleQueue[GuestEvent | None]]] = []

    @contextmanager
    def watching(self, uuid: UUID) -> Iterator[Callable[[float], GuestEvent | None]]:
        """A function that waits up to so many seconds for the guest's next event since the block began."""
        events: queue.SimpleQueue[GuestEvent | None] = queue.SimpleQueue()

        def next_event(seconds: float) -> GuestEvent | None:
            try:
                return events.get(timeout=max(0.0, seconds))
            except queue.Empty:
                return None

        entry = (uuid, events)
        with self._lock:
            self._queues.append(entry)
        try:
            yield next_event
        finally:
            with self._lock:
                self._queues.remove(entry)

    def tell(self, event: GuestEvent) -> None:
        """Hand an event to whoever waits for its guest."""
        with self._lock:
            for uuid, events in self._queues:
                if uuid == event.uuid:
                    events.put(event)

    def interrupt(self, uuid: UUID) -> None:
        """End the current wait for a guest without an event."""
        with self._lock:
            for watched, events in self._queues:
                if watched == uuid:
                    events.put(None)
