"""A person's program that uploads and downloads through the product's own doors, as the page's script does."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.live.text_client import WebSession

PIECE = 8 * 1024 * 1024


class StorageClient:
    """One signed-in session."""

    def __init__(self, session: WebSession) -> None:
        self.session = session
        parts = urlsplit(session.url)
        assert parts.hostname
        assert parts.port
        self._address = (parts.hostname, parts.port)

    @property
    def headers(self) -> dict[str, str]:
        token = next(part.split("=", 1)[1] for part in self.session.cookies.split("; ") if "csrf" in part)
        return {"Cookie": self.session.cookies, "X-CSRFToken": token, "Origin": self.session.url}

    def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(*self._address, timeout=60)
        try:
            connection.request(method, path, body, {**self.headers, **headers})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def told(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, Any]]:
        status, _headers, content = self.ask(method, path, body, **headers)
        return status, json.loads(content)

    def pool(self, name: str, seconds: float = 20) -> str:
        """The address of a pool's page, once the worker has read it."""
        deadline = time.monotonic() + seconds
        pattern = rf'href="(/storage/\d+/)"[^>]*><bdi>{re.escape(name)}</bdi>'
        while not (found := re.search(pattern, self.session.get("/storage/"))):
            assert time.monotonic() < deadline, f"the pool {name} did not appear"
            time.sleep(0.2)
        return found[1]

    def volume(self, pool: str, name: str) -> str:
        """The address of a volume's page."""
        found = re.search(rf'href="(/storage/volumes/\d+/)"[^>]*><bdi>{re.escape(name)}</bdi>', self.session.get(pool))
        assert found, f"no volume {name}"
        return found[1]

    def begin(self, pool: str, name: str, content: bytes, format: str = "raw") -> tuple[int, dict[str, Any]]:
        fields = {
            "name": name,
            "size": str(len(content)),
            "format": format,
            "fingerprint": hashlib.sha256(content[: 1 << 20]).hexdigest(),
        }
        form = urlencode(fields).encode()
        return self.told("POST", f"{pool}upload/", form, **{"Content-Type": "application/x-www-form-urlencoded"})

    def send(self, upload: str, content: bytes, offset: int) -> tuple[int, dict[str, Any]]:
        return self.told("PUT", f"/storage/uploads/{upload}/?offset={offset}", content[offset : offset + PIECE])

    def send_until_taken(self, upload: str, content: bytes, offset: int, seconds: float = 40) -> int:
        """A piece, sent again until it is taken, as the page does; how much the host has then."""
        deadline = time.monotonic() + seconds
        while True:
            status, told = self.send(upload, content, offset)
            if status == 200:
                return int(told["received"])
            assert time.monotonic() < deadline, told
            time.sleep(0.5)

    def send_half(self, upload: str, content: bytes, offset: int) -> None:
        """A piece of which the connection breaks in the middle."""
        head = f"PUT /storage/uploads/{upload}/?offset={offset} HTTP/1.1\r\nHost: {self._address[0]}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        with socket.create_connection(self._address) as connection:
            connection.sendall(f"{head}Content-Length: {PIECE}\r\n\r\n".encode())
            connection.sendall(content[offset : offset + PIECE // 2])

    def upload(self, pool: str, name: str, content: bytes, format: str = "raw") -> tuple[int, dict[str, Any]]:
        """All of it; what the end answers."""
        status, told = self.begin(pool, name, content, format)
        assert status == 200, told
        upload, received = told["upload"], told["received"]
        while received < len(content):
            status, told = self.send(upload, content, received)
            assert status == 200, told
            received = told["received"]
        return self.told("POST", f"/storage/uploads/{upload}/finish/")
