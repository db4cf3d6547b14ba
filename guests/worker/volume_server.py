"""The worker's end of `operations/volume_wire.py`: pieces of uploads to the hosts, ranges of volumes from them.

Each question has a thread, and each upload a connection to its host that is kept for a while between two pieces:
nothing of a host's reading or its operations waits for it.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import DatabaseError
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from guests.errors import HypervisorError
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.volume_streams import PIECE_BYTES, content_bytes, read_pieces, write_piece
from guests.inventory.leases import LeaseLost, fenced
from guests.operations.upload_models import Upload
from guests.operations.volume_wire import PREFIX, line, read_line, socket_of
from guests.worker.database import with_own_connection

if TYPE_CHECKING:
    from guests.worker.host_service import HostService

logger = logging.getLogger(__name__)

AT_ONCE = 16
IDLE_SECONDS = 30.0  # how long an upload's connection to its host is kept between two pieces
PEER_SECONDS = 60.0  # a browser that takes nothing for so long has gone


class VolumeServer:
    """Listens for the web processes of this machine until `stop`."""

    def __init__(self, owner: str, services: Mapping[UUID, HostService]) -> None:
        self._path = socket_of(owner)
        self._services = services
        self._slots = threading.Semaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._writing: dict[UUID, threading.Lock] = {}  # by upload: one piece at a time
        self._kept: dict[UUID, tuple[Connection, float]] = {}  # by upload: its idle connection, and since when
        self._listener = socket.socket(socket.AF_UNIX)
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="volumes", daemon=True)

    def start(self) -> None:
        """Take questions; returns at once."""
        for other in self._path.parent.glob(f"{PREFIX}*.sock"):
            if not _answers(str(other)):
                other.unlink(missing_ok=True)  # of a worker that was killed
        self._listener.bind(str(self._path))
        self._path.chmod(0o600)
        self._listener.listen(AT_ONCE)
        self._listener.settimeout(1.0)
        self._thread.start()

    def stop(self) -> None:
        """Take no more; questions under way are left to die with the process."""
        self._stopped = True
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        while not self._stopped:
            with suppress(OSError):  # TimeoutError is one: look for idle connections
                peer, _address = self._listener.accept()
                peer.settimeout(PEER_SECONDS)
                threading.Thread(
                    target=with_own_connection(self._answer), args=(peer,), name="volume", daemon=True
                ).start()
            self._let_go_of_idle()

    def _answer(self, peer: socket.socket) -> None:
        with peer:
            if not self._slots.acquire(blocking=False):
                _say(peer, {"error": _("Too many transfers are under way. Try again in a moment.")})
                return
            try:
                question, rest = read_line(peer)
                if question.get("ask") == "write":
                    self._write(peer, question, rest)
                elif question.get("ask") == "read":
                    self._read(peer, question)
            except HypervisorError as error:
                logger.info("a transfer was refused: %s", error.detail or error)
                _say(peer, {"error": str(error)})
            except (OSError, ValueError, KeyError) as error:
                logger.info("a transfer broke off: %r", error)
            except (DatabaseError, LeaseLost):
                logger.exception("a transfer could not be written down")
                _say(peer, {"error": _("Guesthouse failed at this; its log says more.")})
            finally:
                self._slots.release()

    def _write(self, peer: socket.socket, question: dict[str, Any], rest: bytes) -> None:
        upload = Upload.objects.select_related("pool").filter(pk=UUID(question["upload"])).first()
        service = self._services.get(upload.pool.host_id) if upload else None
        if upload is None or service is None:
            _say(peer, {"error": _("This upload ended already.")})
            return
        with self._lock:
            turn = self._writing.setdefault(upload.pk, threading.Lock())
        with turn:
            upload.refresh_from_db()
            offset, length = int(question["offset"]), int(question["length"])
            if offset != upload.received_bytes or not 0 < length <= min(PIECE_BYTES, upload.size_bytes - offset):
                _say(peer, {"error": _("The upload goes on at another place."), "received": upload.received_bytes})
                return
            received = self._write_piece(peer, service, upload, length, rest)
            _say(peer, {"received": received})

    def _write_piece(self, peer: socket.socket, service: HostService, upload: Upload, length: int, rest: bytes) -> int:
        connection = self._connection_of(upload.pk, service)
        try:
            read = _reader(peer, rest)
            write_piece(connection, upload.pool.uuid, upload.name, upload.received_bytes, length, read)
        except BaseException:
            connection.close()
            raise
        with fenced(service.lease):
            # A worker that lost the lease meanwhile counts nothing.
            Upload.objects.filter(pk=upload.pk, received_bytes=upload.received_bytes).update(
                received_bytes=F("received_bytes") + length, moved_at=timezone.now()
            )
        with self._lock:
            self._kept[upload.pk] = (connection, time.monotonic())
        return upload.received_bytes + length

    def _read(self, peer: socket.socket, question: dict[str, Any]) -> None:
        service = self._services.get(UUID(question["host"]))
        if service is None:
            _say(peer, {"error": _("Another worker serves this host now. Try again in a moment.")})
            return
        pool, name, offset = UUID(question["pool"]), str(question["volume"]), int(question["offset"])
        connection = _open(service)
        try:
            size = content_bytes(connection, pool, name)
            wanted = size if question["length"] is None else int(question["length"])
            length = max(0, min(wanted, size - offset))
            blocks = read_pieces(connection, pool, name, offset, length)
            first = next(blocks, b"")  # a refusal is told before the first byte
            peer.sendall(line({"length": length, "size": size}))
            peer.sendall(first)
            for block in blocks:
                peer.sendall(block)
        finally:
            connection.close()

    def _connection_of(self, upload: UUID, service: HostService) -> Connection:
        with self._lock:
            kept = self._kept.pop(upload, None)
        if kept is not None and kept[0].is_alive():
            return kept[0]
        if kept is not None:
            kept[0].close()
        return _open(service)

    def _let_go_of_idle(self) -> None:
        now = time.monotonic()
        with self._lock:
            idle = [upload for upload, (_connection, since) in self._kept.items() if now - since > IDLE_SECONDS]
            closing = [self._kept.pop(upload)[0] for upload in idle]
            for upload in idle:
                self._writing.pop(upload, None)
        for connection in closing:
            connection.close()


def _open(service: HostService) -> Connection:
    return open_connection(service.uri)


def _reader(peer: socket.socket, rest: bytes) -> Callable[[int], bytes]:
    left = rest

    def read(size: int) -> bytes:
        nonlocal left
        if left:
            block, left = left[:size], left[size:]
            return block
        return peer.recv(size)

    return read


def _say(peer: socket.socket, message: dict[str, Any]) -> None:
    with suppress(OSError):
        peer.sendall(line(message))


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(path)
        except OSError:
            return False
    return True
