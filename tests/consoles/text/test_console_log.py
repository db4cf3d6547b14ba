"""The console log on disk: parts, caps, what a crash leaves, and a disk that refuses."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consoles.text.console_log import MARK, OUTPUT, LogWriter, last_output, parts_of, records_of

KIB = 1024


Open = Callable[..., LogWriter]


@pytest.fixture
def write() -> Iterator[Open]:
    opened: list[LogWriter] = []

    def write(directory: Path, cap_bytes: int = 1024 * KIB) -> LogWriter:
        opened.append(LogWriter(directory, cap_bytes))
        return opened[-1]

    yield write
    for writer in opened:
        writer.close()


def everything(directory: Path) -> bytes:
    return b"".join(r.content for part in parts_of(directory) for r in records_of(part) if r.kind == OUTPUT)


def test_what_was_written_is_read_with_its_times_and_offsets(tmp_path: Path, write: Open) -> None:
    writer = write(tmp_path / "log")
    writer.append(10.5, OUTPUT, b"Booting\r\n")
    writer.append(11.0, MARK, b"rebooted")
    writer.append(12.25, OUTPUT, b"login: \xff")
    (part,) = parts_of(tmp_path / "log")
    assert [(r.at, r.kind, r.offset, r.content) for r in records_of(part)] == [
        (10.5, OUTPUT, 0, b"Booting\r\n"),
        (11.0, MARK, 9, b"rebooted"),
        (12.25, OUTPUT, 9, b"login: \xff"),
    ]
    assert ((tmp_path / "log").stat().st_mode & 0o777, part.path.stat().st_mode & 0o777) == (0o700, 0o600)


def test_finished_parts_are_compressed_and_the_oldest_leave_at_the_cap(tmp_path: Path, write: Open) -> None:
    cap = 256 * KIB
    writer = write(tmp_path, cap)
    noise = random.Random(7)  # so that compressing gains little
    for number in range(1500):
        writer.append(float(number), OUTPUT, noise.randbytes(KIB - 1) + b"\n")
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= cap + 2 * KIB
    parts = parts_of(tmp_path)
    assert len(parts) > 3
    assert all(part.path.suffix == ".gz" for part in parts[:-1])
    assert parts[0].offset > 0
    assert writer.end == 1500 * KIB
    assert len(everything(tmp_path)) == writer.end - parts[0].offset > 100 * KIB


@pytest.mark.parametrize("lost", [1, 5, 20, 40])
def test_a_torn_end_costs_its_last_record_only_and_the_log_goes_on(tmp_path: Path, write: Open, lost: int) -> None:
    writer = write(tmp_path)
    writer.append(1.0, OUTPUT, b"kept\n")
    writer.append(2.0, OUTPUT, b"x" * 60)
    writer.close()
    (path,) = tmp_path.glob("*.log")
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size - lost)
    again = write(tmp_path)
    assert again.end == 5
    again.append(3.0, OUTPUT, b"more\n")
    assert everything(tmp_path) == b"kept\nmore\n"
    assert [part.offset for part in parts_of(tmp_path)] == [0, 5]


def test_a_crash_while_compressing_loses_and_doubles_nothing(tmp_path: Path, write: Open) -> None:
    writer = write(tmp_path)
    writer.append(1.0, OUTPUT, b"once\n")
    (plain,) = tmp_path.glob("*.log")
    content = plain.read_bytes()
    writer.finish()
    plain.write_bytes(content)
    (tmp_path / "00000001.tmp").write_bytes(b"half")
    assert everything(tmp_path) == b"once\n"
    write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["00000001.log.gz"]
    assert everything(tmp_path) == b"once\n"


@pytest.mark.parametrize("content", [b"", b"\0" * 12, b"junk" * 40, b"\xff" * 13])
def test_a_file_of_something_else_is_left_out(tmp_path: Path, write: Open, content: bytes) -> None:
    (tmp_path / "00000003.log").write_bytes(content)
    (tmp_path / "00000004.log.gz").write_bytes(content)
    assert parts_of(tmp_path) == []
    writer = write(tmp_path)
    writer.append(1.0, OUTPUT, b"good\n")
    assert everything(tmp_path) == b"good\n"


def test_a_full_disk_is_an_error_and_leaves_whole_records(tmp_path: Path, write: Open) -> None:
    writer = write(tmp_path)
    writer.append(1.0, OUTPUT, b"before\n")
    with Path("/dev/full").open("wb", buffering=0) as full:
        kept, writer._file = writer._file, full
        with pytest.raises(OSError, match="space") as refused:
            writer.append(2.0, OUTPUT, b"lost\n")
        writer._file = kept
    assert refused.value.errno == errno.ENOSPC
    assert everything(tmp_path) == b"before\n"
    writer.append(3.0, OUTPUT, b"after\n")
    assert everything(tmp_path) == b"before\nafter\n"


def test_the_last_output_is_found_across_parts(tmp_path: Path, write: Open) -> None:
    for number in range(4):
        writer = write(tmp_path)
        writer.append(float(number), OUTPUT, b"part %d\n" % number)
        writer.finish()
    assert last_output(tmp_path, 9) == b"2\npart 3\n"
    assert last_output(tmp_path, 9999) == b"part 0\npart 1\npart 2\npart 3\n"
