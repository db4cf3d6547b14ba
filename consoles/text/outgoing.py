"""What of a device's past and present goes to one browser: a cursor into the ring, and a credit.

At most 256 KiB may be on their way without having been drawn. Who is slow lags behind, skips what left the ring and is
told how much; nothing is queued for anybody.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Protocol

from consoles.text import protocol
from consoles.text.protocol import ProtocolError, ToBrowser
from consoles.text.ring import Ring

WINDOW_BYTES = 256 * 1024


class Receiver(Protocol):
    """Whom it goes to."""

    def say(self, **values: Any) -> None:
        """A STATUS message."""

    def show(self, kind: ToBrowser, offset: int, content: bytes) -> None:
        """Output that lies at `offset`, as DATA or REPLAY."""


class Outgoing:
    """Begins to read `ring` at `begin`; what the ring holds now is replay."""

    def __init__(self, ring: Ring, begin: int, receiver: Receiver) -> None:
        self._ring = ring
        self._receiver = receiver
        self._cursor = self._acked = begin
        self.replay_until = ring.end
        self._skips: deque[tuple[int, int]] = deque()  # (cursor after, bytes skipped) that are not acknowledged yet
        self._skipped = 0
        self._last_mark = 0
        self._waiting_since: float | None = None

    def waits_for(self, now: float) -> float:
        """For how many seconds output has waited for credit without an acknowledgement."""
        return 0.0 if self._waiting_since is None else now - self._waiting_since

    def send(self) -> None:
        """What the credit allows, marks in their places."""
        ring = self._ring
        while True:
            marks = ring.marks_after(self._last_mark)
            while marks and marks[0].offset <= self._cursor:
                mark = marks.pop(0)
                self._last_mark = mark.number
                self._receiver.say(mark=mark.kind, number=mark.number, at=mark.at)
            credit = WINDOW_BYTES - self._unacknowledged
            if self._cursor >= ring.end:
                return
            if credit <= 0:
                self._waiting_since = self._waiting_since or time.monotonic()
                return
            replays = self._cursor < self.replay_until
            stops = [self._cursor + min(credit, protocol.CHUNK_BYTES)]
            stops += [marks[0].offset] if marks else []
            stops += [self.replay_until] if replays else []
            content = ring.read(self._cursor, min(stops) - self._cursor)
            if content is None:
                self._skip()
                continue
            self._receiver.show(ToBrowser.REPLAY if replays else ToBrowser.DATA, self._cursor, content)
            self._cursor += len(content)

    def acknowledge(self, offset: int) -> None:
        """It was drawn up to here. ProtocolError for what was not sent."""
        if not self._acked <= offset <= self._cursor:
            raise ProtocolError("an acknowledgement of what was not sent")
        self._acked = offset
        while self._skips and self._skips[0][0] <= offset:
            self._skipped -= self._skips.popleft()[1]
        self._waiting_since = None
        self.send()

    @property
    def _unacknowledged(self) -> int:
        """Bytes on their way."""
        return self._cursor - self._acked - self._skipped

    def _skip(self) -> None:
        """The cursor fell off the ring: go on with the last 32 KiB."""
        cursor = self._ring.skip()
        lost = cursor - self._cursor
        if self._unacknowledged:
            self._skips.append((cursor, lost))
            self._skipped += lost
        else:
            self._acked = cursor
        self._cursor = cursor
        self._receiver.say(gap=lost)
