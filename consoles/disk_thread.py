"""One thread that does the disk's work for many recorders, so that a slow disk delays no console."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


class DiskThread:
    """Works in the order it was asked; daemon, so that a hung disk holds up no end."""

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], None]) -> None:
        """Soon."""
        self._work.put(work)

    def stop(self, seconds: float) -> None:
        """After what waits, or after so many seconds."""
        self._work.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception:
                logger.exception("work of %s failed", threading.current_thread().name)
