"""One person at one text console: a connection of the web process to the broker's unix socket.

A viewer has no queue of its own, only a cursor into the device's ring and a credit: at most 256 KiB may be on their way
without having been drawn. Who is slow lags behind, skips what left the ring and is told how much; nobody else waits.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from consoles.close_codes import CloseCode
from consoles.models import Mode
from consoles.sessions import LiveSession
from consoles.text import protocol
from consoles.text.device import Device
from consoles.text.protocol import FromBrowser, Hello, ProtocolError, ToBrowser, Unpacker

WINDOW_BYTES = 256 * 1024
SLOW_SECONDS = 45.0  # without an acknowledgement while output waits
HELLO_SECONDS = 5.0
INPUT_BYTES_PER_SECOND = 256 * 1024
UNSENT_BYTES = 1024 * 1024  # a web process that reads nothing is not worth more


class Viewer(asyncio.Protocol):
    """Calls, in the loop, `admit(viewer, hello)` once it said who it is, and `left(viewer, why)` when it is gone."""

    def __init__(self, admit: Callable[[Viewer, Hello], None], left: Callable[[Viewer, str], None]) -> None:
        self._admit = admit
        self._left = left
        self._unpacker = Unpacker()
        self._transport: asyncio.Transport | None = None
        self._hello_timer: asyncio.TimerHandle | None = None
        self._hello: Hello | None = None
        self._device: Device | None = None
        self.session: LiveSession | None = None
        self.closed = False
        self.why = "left"  # for the record
        # What was sent and what was drawn, as offsets of the ring.
        self._cursor = self._acked = self._replay_until = 0
        self._skips: deque[tuple[int, int]] = deque()  # (cursor after, bytes skipped) that are not acknowledged yet
        self._skipped = 0
        self._last_mark = 0
        self._waiting_since: float | None = None  # out of credit, since then nothing was acknowledged
        # What came in.
        self._allowance = float(INPUT_BYTES_PER_SECOND)
        self._allowance_at = time.monotonic()
        self._input_lost = 0

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._hello_timer = asyncio.get_running_loop().call_later(HELLO_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._unpacker.feed(data):
                if self.closed:
                    return
                self._receive(message)
        except ProtocolError as error:
            self.end(CloseCode.PROTOCOL, str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._hello_timer:
            self._hello_timer.cancel()
        if self._device:
            self._device.leave(self)
        self._left(self, self.why)

    def end(self, code: int, sentence: str, *, why: str = "") -> None:
        """Say why, and hang up; safe to call twice."""
        if self.closed or self._transport is None:
            return
        self.why = why or sentence
        self._send(protocol.close(code, sentence))
        self.closed = True
        self._transport.close()

    # Coming in

    def enter(self, device: Device, session: LiveSession) -> None:
        """Admitted: tell what is, replay the past from where this browser was, go on live."""
        assert self._hello is not None
        ring = device.ring
        start = ring.begin(self._hello.ring, self._hello.after)
        self.session = session
        self._cursor = self._acked = start.offset
        self._replay_until = ring.end
        device.join(self)
        self._device = device
        self._tell(
            hello=1,
            ring=ring.id,
            resumed=start.resumed,
            replay=[start.offset, self._replay_until],
            modes=start.modes.decode("ascii"),
            mode=str(session.mode),
            state=str(device.state),
            since=device.since,
        )
        if start.lost_bytes:
            self._tell(gap=start.lost_bytes)
        self.output()

    def _receive(self, message: bytes) -> None:
        if self._hello is None:
            self._hello = Hello.parse(message)
            if self._hello_timer:
                self._hello_timer.cancel()
            self._admit(self, self._hello)
            return
        protocol.checked(message)
        if self._device is None:
            return  # not admitted yet: a browser says nothing before it is greeted
        kind = message[0]
        if kind == FromBrowser.ACK:
            self._acknowledge(protocol.parse_ack(message))
        elif kind == FromBrowser.INPUT:
            self._type(self._device, message[1:])
        else:
            protocol.parse_json(message)  # no kind is known yet

    def _type(self, device: Device, content: bytes) -> None:
        assert self.session is not None
        if self.session.mode != Mode.CONTROL:
            self.session.dropped["input"] = self.session.dropped.get("input", 0) + len(content)
            return
        now = time.monotonic()
        earned = (now - self._allowance_at) * INPUT_BYTES_PER_SECOND
        self._allowance = min(self._allowance + earned, float(INPUT_BYTES_PER_SECOND))
        self._allowance_at = now
        allowed = content[: int(self._allowance)]
        self._allowance -= len(allowed)
        typed = device.type(allowed) if allowed else 0
        self.session.count(bytes_in=typed)
        self._input_lost += len(content) - typed

    # Going out

    def output(self) -> None:
        """Send from the ring what the credit allows, marks in their places."""
        device = self._device
        if self.closed or device is None:
            return
        ring = device.ring
        while True:
            marks = ring.marks_after(self._last_mark)
            while marks and marks[0].offset <= self._cursor:
                mark = marks.pop(0)
                self._last_mark = mark.number
                self._tell(mark=mark.kind, number=mark.number, at=mark.at)
            credit = WINDOW_BYTES - self._unacknowledged()
            if self._cursor >= ring.end:
                return
            if credit <= 0:
                self._waiting_since = self._waiting_since or time.monotonic()
                return
            stops = [self._cursor + min(credit, protocol.CHUNK_BYTES)]
            stops += [marks[0].offset] if marks else []
            stops += [self._replay_until] if self._cursor < self._replay_until else []
            content = ring.read(self._cursor, min(stops) - self._cursor)
            if content is None:
                self._skip(device)
                continue
            kind = ToBrowser.REPLAY if self._cursor < self._replay_until else ToBrowser.DATA
            self._send(protocol.data(kind, self._cursor, content))
            self._cursor += len(content)
            if self.session:
                self.session.count(bytes_out=len(content))

    def state_changed(self) -> None:
        """The device's state is another."""
        if self._device:
            self._tell(state=str(self._device.state), since=self._device.since)

    def mode_changed(self) -> None:
        """A controller became a watcher."""
        if self.session:
            self._tell(mode=str(self.session.mode))

    def beat(self, now: float) -> None:
        """Once a second: who is too slow, and what could not be typed."""
        if self._waiting_since is not None and now - self._waiting_since > SLOW_SECONDS:
            self.end(CloseCode.TOO_SLOW, "nothing was drawn for 45 s", why="too slow")
        if self._input_lost:
            lost, self._input_lost = self._input_lost, 0
            self._tell(input_lost=lost)

    def _acknowledge(self, offset: int) -> None:
        if not self._acked <= offset <= self._cursor:
            raise ProtocolError("an acknowledgement of what was not sent")
        self._acked = offset
        while self._skips and self._skips[0][0] <= offset:
            self._skipped -= self._skips.popleft()[1]
        self._waiting_since = None
        self.output()

    def _unacknowledged(self) -> int:
        """Bytes on their way."""
        return self._cursor - self._acked - self._skipped

    def _skip(self, device: Device) -> None:
        """The cursor fell off the ring: go on with the last 32 KiB."""
        cursor = device.ring.skip()
        lost = cursor - self._cursor
        if self._unacknowledged():
            self._skips.append((cursor, lost))
            self._skipped += lost
        else:
            self._acked = cursor
        self._cursor = cursor
        self._tell(gap=lost)

    def _tell(self, **values: Any) -> None:
        self._send(protocol.status(**values))

    def _send(self, message: bytes) -> None:
        if self.closed or self._transport is None:
            return
        self._transport.write(protocol.packed(message))
        if self._transport.get_write_buffer_size() > UNSENT_BYTES:
            self.why = "the web process does not read"
            self.closed = True
            self._transport.abort()
