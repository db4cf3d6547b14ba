"""websockify's websocket with what a relay needs: bounded frames, pongs noticed, one buffer out, an end with a reason.

websockify's `sendmsg` wants the same message again after a short write, and a ping in between is an error; here a frame
once begun stays in the buffer (`_send_buffer`), whatever comes after it queues behind, and `flush()` goes on.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any

from websockify.websocket import WebSocketWantWriteError
from websockify.websockifyserver import CompatibleWebSocket

from consoles.vnc.frames import BINARY, CLOSE, PING, PONG, TEXT, FrameReader

READ_BYTES = 1 << 16
PONG_LIMIT = 1 << 16  # no pong is added to more unsent bytes than these
REASON_BYTES = 123  # RFC 6455 §5.5: a control frame holds 125, and the code takes two


class BrowserSocket(CompatibleWebSocket):  # type: ignore[misc]
    """The browser's end. Non-blocking once `setblocking(False)` was called."""

    def __init__(self, request_handler: Any) -> None:
        super().__init__(request_handler)
        self.heard_at = time.monotonic()
        self.left = False  # the browser closed its side, or said that it does
        self._frames = FrameReader()

    def send_response(self, code: int, message: str | None = None) -> None:
        """The 101 of the upgrade, without Server and Date, which a browser does not look at here."""
        self.request_handler.send_response_only(code, message)

    @property
    def blocked(self) -> bool:
        """Whether bytes wait for the browser to take them; nothing more may be queued for it meanwhile."""
        return bool(self._send_buffer)

    def queue(self, data: bytes) -> None:
        """Send one binary message; what the browser does not take now waits in `blocked`."""
        self._put(BINARY, data)

    def queue_words(self, words: bytes) -> None:
        """The same, for a text message (UTF-8)."""
        self._put(TEXT, words)

    def _put(self, opcode: int, data: bytes) -> None:
        if self.socket is not None and not self._sent_close:
            with suppress(WebSocketWantWriteError):
                self._sendmsg(opcode, data)

    def flush(self) -> None:
        """Send what waits. That the browser takes something is a sign of life."""
        before = len(self._send_buffer)
        with suppress(WebSocketWantWriteError):
            self._flush()
        if len(self._send_buffer) < before:
            self.heard_at = time.monotonic()

    def ping_now(self) -> None:
        """Ask for a sign of life, unless data waits: then its taking is the sign."""
        if not self.blocked:
            self._put(PING, b"")

    def receive(self) -> list[tuple[int, bytes]]:
        """(TEXT or BINARY, payload) of each message that one read of the socket completed; see `left`, too.

        Raises BrokenFrame, and OSError where the connection broke.
        """
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return []
        self.left = not data
        self.heard_at = time.monotonic()
        messages = []
        for opcode, payload in self._frames.feed(data):
            if opcode < CLOSE:
                messages.append((opcode, payload))
            elif opcode == CLOSE:
                self.left = True
                break  # nothing counts that comes after it
            elif opcode == PING and len(self._send_buffer) < PONG_LIMIT:
                self._put(PONG, payload)
        return messages

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
