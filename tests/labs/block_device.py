"""A block device for tests: a loop device of this machine's kernel with one partition; skips where none can be had."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SECTOR = 512
FIRST = 2048  # sector of the partition
LINUX = 0x83


@dataclass(frozen=True)
class BlockDevice:
    """`path` is the whole device, `partition` the one on it; what is written there stands in `file` from `begin` on."""

    path: str
    partition: str
    file: Path
    begin: int
    partition_bytes: int


@contextmanager
def block_device(file: Path, mib: int = 16) -> Iterator[BlockDevice]:
    """Of the content of a file that is made. The kernel need not read partition tables: it is told of this one."""
    if os.geteuid() != 0:
        pytest.skip("loop devices need root")
    sectors = mib * 2**20 // SECTOR
    entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", LINUX, b"\xfe\xff\xff", FIRST, sectors)
    with file.open("wb") as image:
        image.write(bytes(446) + entry + bytes(48) + b"\x55\xaa")
        image.truncate((FIRST + sectors + FIRST) * SECTOR)
    path = _run("losetup", "--find", "--show", "--partscan", str(file)).strip()
    try:
        partition = f"{path}p1"
        if not Path(partition).exists():  # else the kernel read the table itself
            _run("addpart", path, "1", str(FIRST), str(sectors))
        if not Path(partition).is_block_device():
            pytest.skip(f"the kernel makes no device {partition}")
        yield BlockDevice(path, partition, file, FIRST * SECTOR, sectors * SECTOR)
    finally:
        subprocess.run(["delpart", path, "1"], check=False, capture_output=True, timeout=20)
        subprocess.run(["losetup", "--detach", path], check=False, capture_output=True, timeout=20)


def _run(*command: str) -> str:
    """What it prints; the test is skipped where this machine cannot do it."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    except FileNotFoundError as error:
        pytest.skip(f"{command[0]} is not installed: {error}")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no block device can be made here: {error.stderr.strip()}")
