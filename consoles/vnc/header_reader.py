"""Reading a request's header under one deadline and one size limit: byte by byte for minutes is no request."""

from __future__ import annotations

import io
import socket
import time

HEADER_SECONDS = 10.0
HEADER_BYTES = 16 << 10


class HeaderReader(io.RawIOBase):
    """A socket's bytes, until the deadline or the limit; TimeoutError after either."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + HEADER_SECONDS
        self._left = HEADER_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        left = self._deadline - time.monotonic()
        if left <= 0 or self._left <= 0:
            raise TimeoutError("no complete request header")
        self._connection.settimeout(left)
        count = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count
