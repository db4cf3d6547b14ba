"""The past of one device: its last 256 KiB under running offsets, and marks of what happened in between."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass

from consoles.text.modes import ModeTracker

RING_BYTES = 256 * 1024
SKIP_TO_BYTES = 32 * 1024  # a viewer that fell off the ring goes on with this much
MARKS = 64
LINE_BYTES = 4 * 1024  # a longer line may be cut


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened to the device between two bytes of its output."""

    number: int  # rising; a browser that comes back skips those it showed
    offset: int
    kind: str  # see protocol.py
    at: float  # Unix time


@dataclass(frozen=True, slots=True)
class Start:
    """Where a viewer begins to read."""

    offset: int
    resumed: bool  # it goes on where this browser was: nothing is shown again
    lost_bytes: int = 0  # that left the ring while it was away
    modes: bytes = b""  # to be written to a reset terminal first


class Ring:
    """Written by libvirt's event thread, read by the broker's loop; the lock is held for a copy only."""

    def __init__(self, size: int = RING_BYTES) -> None:
        self.id = secrets.token_hex(8)  # offsets mean something within one ring only
        self.size = size
        self._start = 0
        self._bytes = bytearray()
        self._modes = ModeTracker()
        self._marks: deque[Mark] = deque(maxlen=MARKS)
        self._last_mark = 0
        self._lock = threading.Lock()

    @property
    def start(self) -> int:
        """Offset of the oldest byte kept."""
        return self._start

    @property
    def end(self) -> int:
        """Offset after the newest byte."""
        return self._start + len(self._bytes)

    @property
    def last_mark(self) -> int:
        """Number of the newest mark."""
        return self._last_mark

    def seed(self, past: bytes) -> bool:
        """Begin with what was written before this ring was made; not where something was written since."""
        with self._lock:
            if self._bytes or self._start:
                return False
            self._bytes += past[-self.size :]
            return True

    def append(self, content: bytes) -> None:
        """Add output; the oldest bytes beyond the size leave."""
        with self._lock:
            self._bytes += content
            excess = len(self._bytes) - self.size
            if excess > 0:
                self._modes.feed(bytes(self._bytes[:excess]))
                del self._bytes[:excess]
                self._start += excess

    def read(self, offset: int, limit: int) -> bytes | None:
        """At most `limit` bytes from `offset`; None where they have left the ring."""
        with self._lock:
            if offset < self._start:
                return None
            position = offset - self._start
            return bytes(self._bytes[position : position + limit])

    def mark(self, kind: str) -> None:
        """Remember that something happened now."""
        with self._lock:
            self._last_mark += 1
            self._marks.append(Mark(self._last_mark, self.end, kind, time.time()))

    def marks_after(self, number: int) -> list[Mark]:
        """The marks younger than `number` that lie in what is kept."""
        with self._lock:
            return [mark for mark in self._marks if mark.number > number and mark.offset >= self._start]

    def skip(self) -> int:
        """Where a viewer goes on that fell off the ring: a line's beginning in the last 32 KiB."""
        with self._lock:
            return self._after_newline(max(self._start, self.end - SKIP_TO_BYTES))

    def begin(self, ring_id: str = "", after: int = 0) -> Start:
        """Where a viewer reads from, who says in which ring it was and how far it got; a newcomer says neither."""
        with self._lock:
            known = ring_id == self.id and 0 < after <= self.end
            if known and after >= self._start:
                return Start(after, resumed=True)
            offset = self._after_newline(self._start) if self._start else 0
            if known:
                return Start(offset, resumed=True, lost_bytes=offset - after)
            return Start(offset, resumed=False, modes=self._modes.sequence())

    def _after_newline(self, offset: int) -> int:
        """A cut that hits no escape sequence: after the next newline; the offset itself where none is near."""
        position = offset - self._start
        found = self._bytes.find(b"\n", position, position + LINE_BYTES)
        return offset if found < 0 else self._start + found + 1
