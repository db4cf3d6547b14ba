"""How a relay ends, and how another thread makes it end at once."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a console is over: the close code and the sentence for the person."""

    close_code: int
    sentence: str


class Wake:
    """What other threads want of one relaying thread: its end, or that its person only watches from now on.

    The descriptor becomes readable when something is wanted; the relaying thread polls it beside its sockets.
    """

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._closed = False
        self.ending: Ending | None = None
        self.downgrade = False

    def fileno(self) -> int:
        return self._descriptor

    def end(self, close_code: int, sentence: str) -> None:
        """Ask for the end; the first one to ask says why. Returns at once."""
        if self.ending is None:
            self.ending = Ending(int(close_code), sentence)
        self._ring()

    def become_watcher(self) -> None:
        """Ask that nothing typed passes any more. Returns at once."""
        self.downgrade = True
        self._ring()

    def _ring(self) -> None:
        with self._lock:
            if not self._closed:
                os.eventfd_write(self._descriptor, 1)

    def answered(self) -> None:
        """Silence the bell; call it before looking at what is wanted."""
        try:
            os.eventfd_read(self._descriptor)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Give the descriptor back; later rings do nothing."""
        with self._lock:
            self._closed = True
            os.close(self._descriptor)
