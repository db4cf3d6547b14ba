"""Reading a request's header under one deadline and one size limit: byte by byte for minutes is no request."""

from __future__ import annotations

import io
import re
import socket
import time
from email.message import Message
from typing import IO

HEADER_SECONDS = 10.0
HEADER_BYTES = 16 << 10
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110


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


def fields_of(reader: IO[bytes]) -> Message:
    """The header's fields up to the empty line; ValueError for what no browser sends.

    http.server reads them by email's parser, which takes ten times as long: it is made for letters.
    """
    found = Message()
    while line := reader.readline():
        text = line.decode("latin-1").rstrip("\r\n")
        if not text:
            return found
        name, _colon, value = text.partition(":")
        if not _NAME.fullmatch(name) or "\r" in value or "\0" in value:
            raise ValueError("no header field")
        found[name] = value.strip(" \t")
    raise ValueError("no end of the header")
