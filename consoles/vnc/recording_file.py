"""The recording of one graphical console on disk: what the guest's VNC server sent to one browser, and when.

One line of JSON, then frames: milliseconds since the start (uint32), kind (one byte), length (uint32), content.
The first frame begins with ServerInit; the handshake before it is always the same. Compression goes on from frame to
frame, so a recording is of one connection and is played from its beginning. Of what the browser sent, only how it
wanted the picture is kept (SetPixelFormat, SetEncodings), never what was typed.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import UUID

from django.conf import settings

FORMAT = "guesthouse-screen-1"
SHOWN, ASKED = b"s", b"a"
READ_BYTES = 128 * 1024
_FRAME = struct.Struct(">IcI")
FRAME_BYTES = _FRAME.size


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of a recording."""

    milliseconds: int
    kind: bytes
    content: bytes


def recording_path(guest_id: UUID, recording_id: UUID) -> Path:
    """Where a recording lies."""
    return Path(settings.SCREEN_RECORDING_DIR) / str(guest_id) / f"{recording_id}.rfb"


def packed(milliseconds: int, kind: bytes, content: bytes) -> bytes:
    """A frame as it is written."""
    return _FRAME.pack(milliseconds, kind, len(content)) + content


class RecordingWriter:
    """A new file that grows. Raises OSError where the disk refuses; what was written before stays readable."""

    def __init__(self, path: Path, title: str, started: float) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("xb", buffering=0)
        self.size = 0
        path.chmod(0o600)
        head = {"format": FORMAT, "title": title, "started": round(started, 3)}
        try:
            self.write(json.dumps(head, ensure_ascii=False).encode() + b"\n")
        except OSError:
            self.close()
            path.unlink(missing_ok=True)
            raise

    def write(self, frames: bytes) -> None:
        """Add whole frames; all of them or none."""
        written = 0
        try:
            while written < len(frames):
                written += self._file.write(frames[written:])
        except OSError:
            with suppress(OSError):
                self._file.truncate(self.size)
            raise
        self.size += len(frames)

    def free_bytes(self) -> int:
        """What the disk has left for us."""
        state = os.statvfs(self._path.parent)
        return state.f_bavail * state.f_frsize

    def close(self) -> None:
        """To the disk."""
        with suppress(OSError):
            os.fsync(self._file.fileno())
        self._file.close()


def pieces_of(path: Path) -> Iterator[bytes]:
    """The file as it is, in pieces; nothing where there is none (any more)."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            yield piece


def length_of(path: Path) -> tuple[int, int]:
    """Bytes, and milliseconds to the last frame that is whole; (0, 0) where there is no file. Reads no content."""
    last = 0
    with suppress(FileNotFoundError), path.open("rb") as file:
        size = path.stat().st_size
        file.readline()
        while len(head := file.read(FRAME_BYTES)) == FRAME_BYTES:
            milliseconds, _kind, length = _FRAME.unpack(head)
            if file.seek(length, os.SEEK_CUR) > size:
                break
            last = milliseconds
        return size, last
    return 0, 0


def read_recording(path: Path) -> tuple[dict[str, object], list[Frame]]:
    """Head and frames; ends where the file does, also within a frame."""
    with path.open("rb") as file:
        return json.loads(file.readline()), list(_frames(file))


def _frames(file: IO[bytes]) -> Iterator[Frame]:
    while len(head := file.read(FRAME_BYTES)) == FRAME_BYTES:
        milliseconds, kind, length = _FRAME.unpack(head)
        content = file.read(length)
        if len(content) < length:
            return
        yield Frame(milliseconds, kind, content)
