"""A VNC server of a few lines, on a real socket: speaks RFB 3.8, remembers what it is told, sends what a test wants."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from contextlib import suppress
from typing import Self

from consoles.vnc.vnc_password import answer_to_challenge

SERVER_INIT = struct.pack("!HHBBBBHHHBBBxxxI", 640, 480, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0, 4) + b"test"
CHALLENGE = bytes(range(16))
TINY_UPDATE = struct.pack("!BxHHHHHi", 0, 1, 0, 0, 1, 1, 0) + b"\1\2\3\4"


def exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = connection.recv(count - len(found))
        if not part:
            raise ConnectionError("closed")
        found += part
    return found


class RFBServer:
    """Listens on 127.0.0.1:`port`; `said` is all that a client sent after ClientInit, `shared` its ClientInit."""

    def __init__(
        self,
        *,
        password: str | None = None,
        types: bytes | None = None,
        version: bytes = b"RFB 003.008\n",
        tls: ssl.SSLContext | None = None,
        subtypes: tuple[int, ...] = (),  # of VeNCrypt
    ) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self.listener.getsockname()[1]
        self.password = password
        self.types = types if types is not None else bytes((19 if tls else 2 if password else 1,))
        self.tls = tls
        self.subtypes = subtypes or ((261 if password else 260,) if tls else ())
        self.version = version
        self.clients: list[socket.socket] = []
        self.said = bytearray()
        self.shared: list[int] = []
        self.changed = threading.Condition()
        self.echo_updates = True
        self.reading = threading.Event()
        self.reading.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for the next one
        self.listener.close()
        self.drop_clients()

    def drop_clients(self) -> None:
        for client in self.clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError):
            client.sendall(self.version)
            exactly(client, 12)
            client.sendall(bytes((len(self.types),)) + self.types)
            if not self.types:
                client.sendall(struct.pack("!I", 7) + b"go away")
                return
            chosen = exactly(client, 1)[0]
            asks = chosen == 2
            if chosen == 19:
                client.sendall(b"\0\2")
                exactly(client, 2)
                client.sendall(b"\0" + bytes((len(self.subtypes),)) + b"".join(s.to_bytes(4) for s in self.subtypes))
                asks = int.from_bytes(exactly(client, 4)) == 261
                client.sendall(b"\1")
                assert self.tls is not None
                client = self.tls.wrap_socket(client, server_side=True)
                self.clients.append(client)
            if asks:
                client.sendall(CHALLENGE)
                if exactly(client, 16) != answer_to_challenge(CHALLENGE, self.password or ""):
                    client.sendall(struct.pack("!II", 1, 5) + b"wrong")
                    return
            if self.version == b"RFB 003.008\n" or asks:
                client.sendall(b"\0\0\0\0")
            self.shared.append(exactly(client, 1)[0])
            client.sendall(SERVER_INIT)
            while True:
                self.reading.wait()
                data = client.recv(65536)
                if not data:
                    return
                with self.changed:
                    self.said += data
                    self.changed.notify_all()
                if self.echo_updates and b"\3" in data:
                    client.sendall(TINY_UPDATE)

    def heard(self, wanted: bytes, seconds: float = 5.0) -> bool:
        """Whether exactly these bytes were said, within some seconds."""
        with self.changed:
            return self.changed.wait_for(lambda: bytes(self.said) == wanted, seconds)
