"""websockify's websocket with what a relay needs: bounded frames, pongs noticed, one buffer out, an end with a reason.

websockify's `sendmsg` wants the same message again after a short write, and a ping in between is an error; here a frame
once begun stays in the buffer (`_send_buffer`), whatever comes after it queues behind, and `flush()` goes on.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any

from websockify.websocket import WebSocketWantReadError, WebSocketWantWriteError
from websockify.websockifyserver import CompatibleWebSocket

FRAME_LIMIT = 2 << 20  # bytes of one message from the browser; RFB's largest here is 1 MiB of cut text
PONG_LIMIT = 1 << 16  # no pong is added to more unsent bytes than these
REASON_BYTES = 123  # RFC 6455 §5.5: a control frame holds 125, and the code takes two
BINARY, CLOSE, PING, PONG = 0x2, 0x8, 0x9, 0xA


class FrameTooLong(OSError):
    """The browser announced or sent more than FRAME_LIMIT bytes at once."""


class BrowserSocket(CompatibleWebSocket):  # type: ignore[misc]
    """The browser's end. Non-blocking once `setblocking(False)` was called."""

    def __init__(self, request_handler: Any) -> None:
        super().__init__(request_handler)
        self.heard_at = time.monotonic()

    @property
    def blocked(self) -> bool:
        """Whether bytes wait for the browser to take them; nothing more may be queued for it meanwhile."""
        return bool(self._send_buffer)

    @property
    def ended(self) -> bool:
        """Whether one of the two sides said that this is the end."""
        return bool(self._sent_close or self._received_close)

    def queue(self, data: bytes) -> None:
        """Send one binary message; what the browser does not take now waits in `blocked`."""
        self._put(BINARY, data)

    def _put(self, opcode: int, data: bytes) -> None:
        if self.socket is not None and not self._sent_close:
            with suppress(WebSocketWantWriteError):
                self._sendmsg(opcode, data)

    def flush(self) -> None:
        """Send what waits."""
        with suppress(WebSocketWantWriteError):
            self._flush()

    def ping_now(self) -> None:
        """Ask for a sign of life, unless data waits: then its taking is the sign."""
        if not self.blocked:
            self._put(PING, b"")

    def receive(self) -> list[bytes] | None:
        """The messages of one read of the socket, perhaps none; None when the browser left."""
        messages: list[bytes] = []
        while True:
            try:
                message = self.recvmsg()
            except WebSocketWantReadError:
                return messages
            except WebSocketWantWriteError:
                return None  # our answer to its close waits; there is nothing more to come
            if message is None or self.ended:
                return None
            messages.append(message)
            if not self.pending():
                return messages

    def handle_ping(self, data: bytes) -> None:
        if len(self._send_buffer) < PONG_LIMIT:
            self._put(PONG, data)

    def _recv(self) -> bool:
        there = bool(super()._recv())
        self.heard_at = time.monotonic()
        if len(self._recv_buffer) + len(self._partial_msg) > FRAME_LIMIT:
            raise FrameTooLong
        return there

    def end(self, code: int, reason: str, seconds: float = 2.0) -> None:
        """Say why, and wait until the browser has taken it (it answers), at most for some seconds; then close."""
        deadline = time.monotonic() + seconds
        if self.socket is None:
            return
        raw: socket.socket = self.socket
        with suppress(OSError, ValueError, AttributeError):
            self._put(CLOSE, code.to_bytes(2) + _cut(reason))
            self._sent_close = True
            while self.blocked and (left := deadline - time.monotonic()) > 0:
                raw.settimeout(left)
                self.flush()
            raw.shutdown(socket.SHUT_WR)
            while (left := deadline - time.monotonic()) > 0:
                raw.settimeout(left)
                if not raw.recv(1 << 16):
                    break
        raw.close()


def _cut(reason: str) -> bytes:
    return reason.encode()[:REASON_BYTES].decode(errors="ignore").encode()
