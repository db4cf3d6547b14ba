"""The log of one text console on disk: what the guest wrote and when, in parts, the oldest of which go first.

A part is a file of records: time (Unix, float64), kind (one byte), length (uint32), content. Its first record says at
which offset of the log it begins. The newest part grows as `NNNNNNNN.log`; finished ones are `NNNNNNNN.log.gz`. Only
output is kept: what people type may be a password, and the guest echoes what it wants to be seen.
"""

from __future__ import annotations

import gzip
import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

_HEAD = struct.Struct(">dcI")
BEGIN, OUTPUT, MARK = b"b", b"o", b"m"
PART_BYTES = 1024 * 1024
LEAST_PART_BYTES = 16 * 1024
LINE_BYTES = 16 * 1024  # a part ends after a newline, if one comes within this
RECORD_BYTES = 1024 * 1024  # a longer one is a broken file


@dataclass(frozen=True, slots=True)
class Record:
    """Something the guest wrote, or a mark between two such (started, stopped, rebooted …)."""

    at: float  # Unix time
    kind: bytes
    offset: int  # of its first byte in the log
    content: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the log."""

    path: Path
    number: int
    offset: int
    at: float  # when it was begun


def parts_of(directory: Path) -> list[Part]:
    """The parts, oldest first; one that cannot be read is left out."""
    found: dict[int, Path] = {}
    for path in directory.glob("*.log*"):
        number = path.name.split(".")[0]
        # Both stand there when the console server ended while it compressed: the compressed one is complete.
        if number.isdigit() and path.suffix in {".log", ".gz"} and (path.suffix == ".gz" or int(number) not in found):
            found[int(number)] = path
    parts = []
    for place, path in sorted(found.items()):
        with suppress(OSError, EOFError, ValueError, gzip.BadGzipFile), _opened(path) as file:
            at, kind, content = _read_record(file) or (0.0, b"", b"")
            if kind == BEGIN:
                parts.append(Part(path, place, int(content), at))
    return parts


def records_of(part: Part) -> Iterator[Record]:
    """Marks and output of one part; ends where the file does, or where it is broken or was removed meanwhile."""
    offset = part.offset
    with suppress(OSError, EOFError, gzip.BadGzipFile), _opened(part.path) as file:
        while record := _read_record(file):
            at, kind, content = record
            if kind in {OUTPUT, MARK}:
                yield Record(at, kind, offset, content)
            if kind == OUTPUT:
                offset += len(content)


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _read_record(file: IO[bytes]) -> tuple[float, bytes, bytes] | None:
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    at, kind, length = _HEAD.unpack(head)
    if length > RECORD_BYTES:
        return None
    content = file.read(length)
    return (at, kind, content) if len(content) == length else None


class LogWriter:
    """Writes one device's log; one at a time for a directory. Raises OSError where the disk refuses."""

    def __init__(self, directory: Path, cap_bytes: int) -> None:
        self.directory = directory
        self._cap_bytes = cap_bytes
        self._part_bytes = min(PART_BYTES, max(LEAST_PART_BYTES, cap_bytes // 8))
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        self._sizes = {path: path.stat().st_size for path in directory.glob("*.log*")}
        self._number = max((int(path.name.split(".")[0]) for path in self._sizes), default=0)
        self._file: IO[bytes] | None = None
        self._path = directory
        self._size = 0
        self.end = self._finish_what_was_left()

    def _finish_what_was_left(self) -> int:
        """Compress what an earlier console server left open; the offset at which the log goes on."""
        for path in self.directory.glob("*.tmp"):
            path.unlink()
        parts = parts_of(self.directory)
        end = 0
        if parts:
            end = parts[-1].offset
            for record in records_of(parts[-1]):
                end = record.offset + (len(record.content) if record.kind == OUTPUT else 0)
        for path in list(self._sizes):
            if path.suffix == ".log":
                self._compress(path)
        return end

    def append(self, at: float, kind: bytes, content: bytes) -> None:
        """Add a record. The file is as before where that fails."""
        record = _HEAD.pack(at, kind, len(content)) + content
        begin = b""
        if self._file is None:
            self._begin()
            text = str(self.end).encode()
            begin = _HEAD.pack(at, BEGIN, len(text)) + text
        assert self._file is not None
        try:
            written = 0
            whole = begin + record
            while written < len(whole):
                written += self._file.write(whole[written:])
        except OSError:
            with suppress(OSError):
                self._file.truncate(self._size)
                self._file.seek(self._size)
            if not self._size:
                self._discard()
            raise
        self._size += len(whole)
        self._sizes[self._path] = self._size
        if kind == OUTPUT:
            self.end += len(content)
        full = self._size >= self._part_bytes
        if full and (content.endswith(b"\n") or self._size >= self._part_bytes + LINE_BYTES):
            self.finish()
        elif sum(self._sizes.values()) > self._cap_bytes:
            self._trim()

    def sync(self) -> None:
        """To the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def finish(self) -> None:
        """End the part that grows; the next record begins another."""
        file, self._file = self._file, None
        if file is None:
            return
        file.close()
        self._compress(self._path)
        self._trim()

    def close(self) -> None:
        """Let go of the part that grows as it is; the next writer compresses it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self._number += 1
        self._path = self.directory / f"{self._number:08d}.log"
        self._file = self._path.open("xb", buffering=0)
        self._path.chmod(0o600)
        self._size = 0

    def _discard(self) -> None:
        """A part without a single record is none."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._path.unlink(missing_ok=True)
        self._sizes.pop(self._path, None)

    def _compress(self, path: Path) -> None:
        """In place of the plain file; on a full disk the plain one stays."""
        whole = path.with_suffix(".log.gz")
        unfinished = path.with_suffix(".tmp")
        try:
            with path.open("rb") as plain, unfinished.open("wb") as file:
                unfinished.chmod(0o600)
                with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0, compresslevel=6) as packed:
                    shutil.copyfileobj(plain, packed)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(whole)
        except OSError:
            unfinished.unlink(missing_ok=True)
            return
        path.unlink(missing_ok=True)
        self._sizes.pop(path, None)
        self._sizes[whole] = whole.stat().st_size

    def _trim(self) -> None:
        """Remove the oldest parts beyond the cap."""
        excess = sum(self._sizes.values()) - self._cap_bytes
        for path in sorted(self._sizes):
            if excess <= 0 or (path == self._path and self._file is not None):
                return
            path.unlink(missing_ok=True)
            excess -= self._sizes.pop(path)


def last_output(directory: Path, limit: int) -> bytes:
    """The last bytes that the guest wrote, at most `limit`."""
    found: list[bytes] = []
    size = 0
    for part in reversed(parts_of(directory)):
        content = b"".join(record.content for record in records_of(part) if record.kind == OUTPUT)
        found.insert(0, content)
        size += len(content)
        if size >= limit:
            break
    return b"".join(found)[-limit:]
