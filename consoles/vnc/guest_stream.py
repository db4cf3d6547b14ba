"""The guest's side during the handshake: blocking, under one deadline, perhaps encrypted on the way."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

GUEST_SECONDS = 5.0


class GuestStream:
    """Bytes from and to the guest's VNC server. `socket` is what the relay goes on with; `close` closes it."""

    def __init__(self, screen: socket.socket, encrypt: Callable[[socket.socket], socket.socket]) -> None:
        self.socket = screen
        self._encrypt = encrypt
        self._deadline = time.monotonic() + GUEST_SECONDS

    def exactly(self, count: int) -> bytes:
        """So many bytes; raises OSError when they do not come."""
        found = b""
        while len(found) < count:
            self._under_deadline()
            part = self.socket.recv(count - len(found))
            if not part:
                raise ConnectionError("closed")
            found += part
        return found

    def send(self, data: bytes) -> None:
        """All of them; raises OSError."""
        self._under_deadline()
        self.socket.sendall(data)

    def start_tls(self) -> None:
        """Go on encrypted. Raises ConsoleRefused where the server is not the one it should be."""
        self._under_deadline()
        self.socket = self._encrypt(self.socket)

    def close(self) -> None:
        """Close what is in use now."""
        self.socket.close()

    def _under_deadline(self) -> None:
        self.socket.settimeout(max(0.001, self._deadline - time.monotonic()))
