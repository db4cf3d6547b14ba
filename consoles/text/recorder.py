"""Writing console logs: one watcher for each recorded device, one thread that writes for all of them.

A recorder reads the device's ring like a person's viewer does, from a cursor of its own: a slow disk delays nobody, and
what left the ring before it could be written is noted as a gap. A disk that refuses ends the recording, says so to
everybody who is there, and is tried again after a minute.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.utils.translation import gettext_noop

from consoles.disk_thread import DiskThread
from consoles.text.console_log import MARK, OUTPUT, LogWriter, last_output
from consoles.text.device import Device
from consoles.text.ring import RING_BYTES

logger = logging.getLogger(__name__)

WRITE_BYTES = 64 * 1024  # of one record
SYNC_SECONDS = 5.0
AGAIN_SECONDS = 60.0  # after the disk refused
FULL = gettext_noop("The console log is not written: the disk is full. It is tried again every minute.")
FAILED = gettext_noop("The console log is not written: the disk refuses. It is tried again every minute.")


class Recorder:
    """Watches one device and writes what it says. `start` and `stop` are called in the loop."""

    is_person = False

    def __init__(self, device: Device, directory: Path, cap_bytes: int, thread: DiskThread) -> None:
        self._device = device
        self._directory = directory
        self._cap_bytes = cap_bytes
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._writer: LogWriter | None = None
        self._cursor = device.ring.end
        self._last_mark = device.ring.last_mark
        self._synced_at = 0.0
        self._waiting = False
        self._stopped = False
        self.failed_at = 0.0  # monotonic; 0 while it works

    def start(self) -> None:
        """Join the device; a ring that is empty is given the end of the log first, so that a restart loses no past."""
        self._thread.do(self._open)

    def _open(self) -> None:
        past = b""
        try:
            past = last_output(self._directory, RING_BYTES) if not self._device.ring.end else b""
            self._writer = LogWriter(self._directory, self._cap_bytes)
        except OSError as error:
            self._fail(error)
            return
        self._in_loop(lambda: self._join(past))

    def _join(self, past: bytes) -> None:
        if self._stopped:
            return
        ring = self._device.ring
        if past and not self._device.watchers and ring.seed(past):
            self._cursor = ring.end
            self._last_mark = ring.last_mark
            ring.mark("restarted")
        self._device.join(self)
        self._device.recorded("on")
        self.output()

    def stop(self, *, for_good: bool = True) -> None:
        """Leave the device and finish the log; not for good: another recorder follows at once."""
        self._stopped = True
        self._device.leave(self)
        if for_good:
            self._device.recorded("off")
        self._thread.do(self._finish)

    def _finish(self) -> None:
        self._write()
        if self._writer is not None:
            with suppress(OSError):
                self._writer.finish()
            self._writer = None

    def output(self) -> None:
        """The ring has more, or a mark."""
        if not self._waiting and not self.failed_at:
            self._waiting = True
            self._thread.do(self._write)

    def state_changed(self) -> None:
        """Marks say what matters."""

    def recording_changed(self) -> None:
        """It is ours."""

    def _write(self) -> None:
        """In the thread."""
        self._waiting = False  # before the ring is read: what comes from now on asks again
        if self._writer is None:
            return
        try:
            self._write_all(self._writer)
        except OSError as error:
            with suppress(OSError):
                self._writer.finish()
            self._writer = None
            self._fail(error)

    def _write_all(self, writer: LogWriter) -> None:
        ring = self._device.ring
        while True:
            marks = ring.marks_after(self._last_mark)
            while marks and marks[0].offset <= self._cursor:
                mark = marks.pop(0)
                self._last_mark = mark.number
                writer.append(mark.at, MARK, mark.kind.encode())
            if self._cursor >= ring.end:
                break
            limit = min(WRITE_BYTES, marks[0].offset - self._cursor) if marks else WRITE_BYTES
            content = ring.read(self._cursor, limit)
            if content is None:
                cursor = ring.skip()
                writer.append(time.time(), MARK, b"gap %d" % (cursor - self._cursor))
                self._cursor = cursor
                continue
            writer.append(time.time(), OUTPUT, content)
            self._cursor += len(content)
        if time.monotonic() - self._synced_at > SYNC_SECONDS:
            self._synced_at = time.monotonic()
            writer.sync()

    def _fail(self, error: OSError) -> None:
        self.failed_at = time.monotonic()
        logger.error("the console log %s is not written: %s", self._directory, error)
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}

        def tell() -> None:
            self._device.leave(self)
            self._device.recorded("full" if full else "failed", FULL if full else FAILED)

        self._in_loop(tell)

    def _in_loop(self, call: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(call)
