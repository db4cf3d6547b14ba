"""What people type, on its way into one libvirt stream: in small sends, in a thread, because a send may block."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)

SEND_BYTES = 1024  # a serial line's FIFO overruns on more at once
WAITING_BYTES = 256 * 1024  # typed and not yet taken by the guest


class Stream(Protocol):
    """What a device needs of a libvirt stream (guests.hypervisor.streams.TextStream)."""

    def send(self, data: bytes) -> object:
        """May block."""

    def close(self) -> None:
        """May block; safe to call twice."""


class Keyboard:
    """Feeds one stream; ends with it. `failed` is called in this thread when a send fails."""

    def __init__(self, stream: Stream, failed: Callable[[str], None]) -> None:
        self._stream = stream
        self._failed = failed
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="text-keyboard", daemon=True).start()

    def type(self, content: bytes) -> int:
        """Queue what was typed; the number of bytes that were taken: fewer where the guest does not read."""
        with self._changed:
            if self._closed:
                return 0
            taken = content[: max(0, WAITING_BYTES - self._waiting_bytes)]
            if taken:
                self._waiting.append(taken)
                self._waiting_bytes += len(taken)
                self._changed.notify()
            return len(taken)

    def close(self) -> None:
        """No more; what waits is forgotten."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                content = self._waiting.popleft()
            for start in range(0, len(content), SEND_BYTES):
                piece = content[start : start + SEND_BYTES]
                try:
                    self._stream.send(piece)
                except Exception as error:
                    self.close()
                    self._failed(str(error))
                    return
                with self._changed:
                    self._waiting_bytes -= len(piece)
