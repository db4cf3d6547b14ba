"""How web processes and host workers pass the content of volumes: over a unix socket of each worker in the private
runtime directory, one question a connection. Who may ask was decided in the web process.

    {"ask": "write", "upload": id, "offset": n, "length": n}, then the bytes    → {"received": n}
    {"ask": "read", "host": id, "pool": uuid, "volume": name, "offset": n, "length": n or null for the rest}
                                                                → {"length": n, "size": of all}, then the bytes

or {"error": sentence, "received": n}. Questions and answers are lines of JSON, of at most LINE_BYTES.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from guests.inventory.models import HostLease

LINE_BYTES = 16 * 1024
BLOCK_BYTES = 256 * 1024
ANSWER_SECONDS = 60.0
PREFIX = "storage-"


class TransferFailed(Exception):
    """A sentence for the person; `received` is from where a write goes on, None where that is not known."""

    def __init__(self, sentence: str, received: int | None = None) -> None:
        super().__init__(sentence)
        self.received = received


def socket_of(owner: str) -> Path:
    """Where a worker listens, by its name in leases."""
    return Path(settings.RUNTIME_DIR) / f"{PREFIX}{hashlib.sha256(owner.encode()).hexdigest()[:12]}.sock"


def send_piece(host_id: UUID, upload_id: UUID, offset: int, length: int, read: Callable[[int], bytes]) -> int:
    """Hand one piece of an upload to the host; answers how much it has then. Raises TransferFailed."""
    question = {"ask": "write", "upload": str(upload_id), "offset": offset, "length": length}
    with _asked(host_id, question) as connection:
        try:
            while length > 0:
                block = read(min(length, BLOCK_BYTES))
                if not block:
                    break
                connection.sendall(block)
                length -= len(block)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the worker refused it and says why
        return int(_answer(connection)[0]["received"])


class Blocks:
    """What a worker sends, read no faster than it is taken. `close` is for what was never begun, too."""

    def __init__(self, connection: socket.socket, length: int, first: bytes) -> None:
        self._connection = connection
        self._left = length
        self._first = first
        self._begun = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._begun = True
        self._connection.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=self._connection, limit=BLOCK_BYTES)
        try:
            block, left = self._first, self._left
            while left > 0:
                block = block or await asyncio.wait_for(reader.read(BLOCK_BYTES), ANSWER_SECONDS)
                if not block:
                    # The browser sees that fewer bytes came than were announced, and asks for the rest.
                    raise ConnectionAbortedError("the worker went away while a volume was read")
                yield block[:left]
                left -= len(block)
                block = b""
        finally:
            writer.close()

    def close(self) -> None:
        """Nobody wants it (any more)."""
        if not self._begun:
            self._connection.close()


@dataclass(frozen=True, slots=True)
class Range:
    """A part of a volume that is about to be read: how much comes, of how much in all, and the content."""

    length: int
    size: int
    blocks: Blocks


def read_range(host_id: UUID, pool: UUID, volume: str, offset: int, length: int | None) -> Range:
    """A part of a volume. Raises TransferFailed before its first byte."""
    question = {"ask": "read", "host": str(host_id), "pool": str(pool), "volume": volume}
    connection = _asked(host_id, {**question, "offset": offset, "length": length})
    try:
        told, first = _answer(connection)
    except BaseException:
        connection.close()
        raise
    return Range(int(told["length"]), int(told["size"]), Blocks(connection, int(told["length"]), first))


def _asked(host_id: UUID, question: dict[str, Any]) -> socket.socket:
    owner = HostLease.objects.filter(host=host_id).values_list("owner", flat=True).first()
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(ANSWER_SECONDS)
    try:
        connection.connect(str(socket_of(owner or "")))
        connection.sendall(line(question))
    except OSError as error:
        connection.close()
        raise _unavailable() from error
    return connection


def _answer(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    try:
        told, rest = read_line(connection)
    except (OSError, ValueError) as error:
        raise _unavailable() from error
    if "error" in told:
        raise TransferFailed(str(told["error"]), told.get("received"))
    return told, rest


def _unavailable() -> TransferFailed:
    return TransferFailed(_("The worker of this host does not answer on this machine. Try again in a moment."))


def line(message: dict[str, Any]) -> bytes:
    """A message as it goes over the socket."""
    return json.dumps(message).encode() + b"\n"


def read_line(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    """A message, and what was read beyond it. ValueError for what is none."""
    content = b""
    while b"\n" not in content:
        if len(content) > LINE_BYTES or not (more := connection.recv(LINE_BYTES)):
            raise ValueError("no message")
        content += more
    head, _newline, rest = content.partition(b"\n")
    message = json.loads(head)
    if not isinstance(message, dict):
        raise ValueError("no message")
    return message, rest
