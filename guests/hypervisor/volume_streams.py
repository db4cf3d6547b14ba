"""The content of volumes, piece by piece, from and to the host: libvirt's streams, also to a remote one.

libvirt queues without bound what the other end does not take, on both sides: so a stream is never longer than
PIECE_BYTES, and ends before the next one begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import libvirt

from guests.errors import HypervisorError, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.volumes import find_volume

PIECE_BYTES = 8 * 1024 * 1024
BLOCK_BYTES = 256 * 1024  # of one message to or from libvirt


def write_piece(c: Connection, pool: UUID, name: str, offset: int, length: int, read: Callable[[int], bytes]) -> None:
    """Write `length` bytes (at most PIECE_BYTES) from `offset` on; `read(n)` gives the next n of them, or fewer.
    On return the host has written them.
    """
    volume = find_volume(c, pool, name)
    with _stream(c, name) as stream:
        with translated_errors(name):
            volume.upload(stream, offset, length, 0)
        left = length
        while left:
            block = read(min(left, BLOCK_BYTES))
            if not block:
                raise OperationRefused("the piece is shorter than it said")
            left -= len(block)
            while block:
                with translated_errors(name):
                    sent = stream.send(block)
                block = block[sent:]


def content_bytes(c: Connection, pool: UUID, name: str) -> int:
    """How long the content of a volume is: of an image its file's length, not what a guest sees of it."""
    volume = find_volume(c, pool, name)
    with translated_errors(name):
        return int(volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2])


def read_pieces(c: Connection, pool: UUID, name: str, offset: int, length: int) -> Iterator[bytes]:
    """`length` bytes from `offset` on, in blocks; what is not taken is not asked for. Fewer where the volume ends."""
    volume = find_volume(c, pool, name)
    while length > 0:
        piece, got = min(length, PIECE_BYTES), 0
        with _stream(c, name) as stream:
            with translated_errors(name):
                volume.download(stream, offset, piece, 0)
            while True:
                with translated_errors(name):
                    block = stream.recv(BLOCK_BYTES)
                if not block:
                    break
                got += len(block)
                yield block
        if got < piece:
            return
        offset, length = offset + got, length - got


@contextmanager
def _stream(c: Connection, name: str) -> Iterator[Any]:
    """A blocking stream, finished at the end of the block, or aborted where that raised."""
    with translated_errors(name):
        stream = c.raw.newStream(0)
    try:
        yield stream
        with translated_errors(name):
            stream.finish()
    except BaseException:
        with suppress(HypervisorError), translated_errors(name):
            stream.abort()
        raise
