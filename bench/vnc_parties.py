"""The two ends of a measured relay: an RFB server without a guest, and a raw websocket client without a browser."""

from __future__ import annotations

import base64
import os
import socket
import struct
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

BLAST_X = 4242  # an update request at this x starts an endless stream of updates
FRAME_X = 4243  # one at this x is answered with one frame of FRAME bytes
FRAME = 16 + 256 * 64 * 4
TINY = struct.pack("!BxHHHHHi", 0, 1, 0, 0, 1, 1, 0) + b"\0\0\0\0"
_SERVER_INIT = struct.pack("!HHBBBBHHHBBBxxxI", 1024, 768, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0, 5) + b"bench"


def exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = connection.recv(count - len(found))
        if not part:
            raise ConnectionError("closed")
        found += part
    return found


def serve_rfb(port: int) -> None:
    """An RFB 3.8 server with security None on 127.0.0.1; a tiny update for each request. Never returns."""
    listener = socket.create_server(("127.0.0.1", port), backlog=2048)
    big = struct.pack("!BxHHHHHi", 0, 1, 0, 0, 256, 64, 0) + os.urandom(256 * 64 * 4)

    def one(client: socket.socket) -> None:
        with client, suppress(OSError, KeyError):
            exactly(client, 12)
            client.sendall(b"\1\1")
            exactly(client, 1)
            client.sendall(b"\0\0\0\0")
            exactly(client, 1)
            client.sendall(_SERVER_INIT)
            while True:
                kind = exactly(client, 1)[0]
                if kind != 3:
                    exactly(client, {0: 19, 4: 7, 5: 5}[kind])
                    continue
                x = struct.unpack("!BHHHH", exactly(client, 9))[1]
                while x == BLAST_X:
                    client.sendall(big)
                client.sendall(big if x == FRAME_X else TINY)

    while True:
        client, _address = listener.accept()
        # At once, as QEMU does: a thread that begins is nothing that a relay should be measured by.
        with suppress(OSError):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.sendall(b"RFB 003.008\n")
        threading.Thread(target=one, args=(client,), daemon=True).start()


def frame(payload: bytes) -> bytes:
    """One masked binary frame of at most 125 bytes."""
    mask = os.urandom(4)
    return bytes([0x82, 0x80 | len(payload)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


class Client:
    """A websocket client that strips frame headers; enough for small messages and for counting bytes.

    `setup_ms`: from the TCP connect to the guest's ServerInit. What can be made before that is, and is not counted.
    """

    def __init__(self, url: str, protocols: list[str], headers: list[str]) -> None:
        parts = urlsplit(url)
        lines = [
            f"GET {parts.path or '/'} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Protocol: {', '.join(protocols)}",
            f"Origin: http://{parts.netloc}",
            *headers,
        ]
        request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        version, security, init = frame(b"RFB 003.008\n"), frame(b"\1"), frame(b"\1")
        self.socket = socket.socket()
        self.socket.settimeout(20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.perf_counter()
        self.socket.connect((parts.hostname, parts.port))
        self.socket.sendall(request)
        # What came with a read is kept: one read a byte would be most of what is measured, and hold up the relay.
        self._unread = b""
        while b"\r\n\r\n" not in self._unread:
            self._receive()
        head, _end, self._unread = self._unread.partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(head[:300])
        self._buffer = b""
        assert self.read(12).startswith(b"RFB 003"), "no RFB banner"
        self.socket.sendall(version)
        self.read(self.read(1)[0])
        self.socket.sendall(security)
        assert self.read(4) == b"\0\0\0\0"
        self.socket.sendall(init)
        self.read(struct.unpack("!I", self.read(24)[20:])[0])
        self.setup_ms = (time.perf_counter() - started) * 1000

    def _receive(self) -> None:
        part = self.socket.recv(1 << 16)
        if not part:
            raise ConnectionError("closed")
        self._unread += part

    def _exactly(self, count: int) -> bytes:
        while len(self._unread) < count:
            self._receive()
        taken, self._unread = self._unread[:count], self._unread[count:]
        return taken

    def _message(self) -> bytes:
        head = self._exactly(2)
        if head[0] & 15 == 8:
            raise ConnectionError(self._exactly(head[1] & 127))
        length = head[1] & 127
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        data = self._exactly(length)
        return data if head[0] & 15 in (0, 1, 2) else b""

    def read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._buffer += self._message()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def request(self, x: int = 0) -> None:
        """Ask for one update."""
        self.socket.sendall(frame(struct.pack("!BBHHHH", 3, 1, x, 0, 1, 1)))
