"""HTTP requests as daphne takes them, with a bound on the body and with our headers on daphne's own errors."""

from __future__ import annotations

import io
import logging
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest

logger = logging.getLogger(__name__)

BODY_BYTES = 1 << 20  # forms are some KiB
PIECE_BYTES = 8 << 20  # of a volume that is uploaded: guests/hypervisor/volume_streams.py
PIECES = (b"PUT", b"/storage/uploads/")
DISCARDED_BYTES = 32 << 20  # of a body that is too long: so much is read and thrown away, to be able to answer
_HEADERS = [
    (b"Content-Type", b"text/plain; charset=utf-8"),
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"DENY"),
    (b"Referrer-Policy", b"same-origin"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Cache-Control", b"no-store"),
]


class BoundedRequest(WebRequest):  # type: ignore[misc]
    """Twisted would keep a body of any size, in a file: this one answers 413 and keeps nothing of it."""

    _body_bytes = 0
    _most = BODY_BYTES

    def gotLength(self, length: int | None) -> None:
        """Nothing of a body that says itself that it is too long is kept."""
        if self.channel is not None and self.channel._command == PIECES[0] and self.channel._path.startswith(PIECES[1]):
            self._most = PIECE_BYTES
        super().gotLength(0 if length is not None and length > self._most else length)

    def handleContentChunk(self, data: bytes) -> None:
        """Keep it while it fits."""
        self._body_bytes += len(data)
        if self._body_bytes <= self._most:
            super().handleContentChunk(data)
            return
        self.content = io.BytesIO()
        if self._body_bytes > DISCARDED_BYTES and self.channel is not None:
            self.channel.forceAbortClient()

    def process(self) -> Any:
        """The whole request is here."""
        if self._body_bytes > self._most:
            self.basic_error(413, b"Content Too Large", f"At most {self._most >> 20} MiB can be sent.")
            return None
        return super().process()

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """As text: daphne's own page has inline style and none of our headers."""
        self.handle_reply({"type": "http.response.start", "status": status, "headers": _HEADERS})
        self.handle_reply({"type": "http.response.body", "body": f"{status_text.decode()}. {body}\n".encode()})


class BoundedRequests(HTTPFactory):  # type: ignore[misc]
    """Makes them."""

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = BoundedRequest
        return protocol
