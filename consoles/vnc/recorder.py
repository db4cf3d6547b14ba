"""Recording one connection: a tap in the relay that only takes notes, and a thread that writes them.

The relaying thread never waits for the disk: what is not yet written waits in memory, bounded. A recording must be
whole to be played, so one that cannot go on ends, and says why.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from consoles.disk_thread import DiskThread
from consoles.models import RecordingEnd
from consoles.vnc.recording_file import ASKED, SHOWN, RecordingWriter, packed
from consoles.vnc.rfb_filter import wishes

logger = logging.getLogger(__name__)

WAITING_BYTES = 16 * 1024 * 1024  # not yet written; a disk that is so far behind ends the recording


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one recording."""

    size_bytes: int
    free_bytes: int  # that must be left on the disk


class Recorder:
    """A `visit.Tap`. `on_end` is called once, from any thread, when the recording ends before the console does."""

    def __init__(
        self,
        path: Path,
        title: str,
        limits: Limits,
        thread: DiskThread,
        on_end: Callable[[RecordingEnd], None],
    ) -> None:
        """Begin. Raises OSError where the disk refuses, or has too little left."""
        self._limits = limits
        self._thread = thread
        self._on_end = on_end
        self._lock = threading.Lock()
        self._waiting = bytearray()
        self._asked_for_writing = False
        self._end: RecordingEnd | None = None
        self._started = time.monotonic()
        self._writer = RecordingWriter(path, title, time.time())
        self.milliseconds = 0
        if self._writer.free_bytes() < limits.free_bytes:
            self._writer.close()
            path.unlink(missing_ok=True)
            raise OSError(errno.ENOSPC, "too little is left on the disk")

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._writer.size

    def shown(self, data: bytes) -> None:
        self._note(SHOWN, data)

    def asked(self, data: bytes) -> None:
        if wanted := wishes(data):
            self._note(ASKED, wanted)

    def _note(self, kind: bytes, data: bytes) -> None:
        now = int((time.monotonic() - self._started) * 1000)
        with self._lock:
            if self._end is not None:
                return
            self.milliseconds = now
            self._waiting += packed(now, kind, data)
            late = len(self._waiting) > WAITING_BYTES
            if not self._asked_for_writing:
                self._asked_for_writing = True
                self._thread.do(self._write)
        if late:
            self._stop(RecordingEnd.SLOW)

    def _write(self) -> None:
        """In the disk's thread."""
        with self._lock:
            self._asked_for_writing = False
            frames, self._waiting = bytes(self._waiting), bytearray()
            if self._end is not None or not frames:
                return
        try:
            if self._writer.free_bytes() < self._limits.free_bytes:
                raise OSError(errno.ENOSPC, "too little is left on the disk")
            if self._writer.size + len(frames) > self._limits.size_bytes:
                self._stop(RecordingEnd.SIZE)
                return
            self._writer.write(frames)
        except OSError as error:
            logger.error("a screen's recording ends: %s", error)
            self._stop(RecordingEnd.DISK if error.errno in {errno.ENOSPC, errno.EDQUOT} else RecordingEnd.FAILED)

    def _stop(self, end: RecordingEnd) -> None:
        with self._lock:
            if self._end is not None:
                return
            self._end = end
            self._waiting.clear()
        self._on_end(end)

    def finish(self, seconds: float) -> RecordingEnd:
        """The console is over: write what waits, for at most so long; how the recording ended."""
        done = threading.Event()

        def last() -> None:
            self._write()
            self._writer.close()
            done.set()

        self._thread.do(last)
        if not done.wait(seconds):
            with self._lock:
                self._end = self._end or RecordingEnd.SLOW
        with self._lock:
            self._end = self._end or RecordingEnd.LEFT
            return self._end
