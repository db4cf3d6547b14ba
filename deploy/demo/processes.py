"""Processes named by pid and start time, so that a pid that was given away again is never signalled."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """One process, for its whole life: `started` is field 22 of /proc/PID/stat, in clock ticks since boot."""

    pid: int
    started: int

    def is_alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return _started(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Signal it, if it is still the same one."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Whether it is gone within so many seconds."""
        return wait_until(lambda: not self.is_alive(), seconds)

    def save(self, path: Path) -> None:
        """Write it where `saved_process` finds it again."""
        path.write_text(f"{self.pid} {self.started}\n")


def process(pid: int) -> Process | None:
    """The process that has this pid now, or None."""
    started = _started(pid)
    return Process(pid, started) if started is not None else None


def saved_process(path: Path) -> Process | None:
    """The process that `save` wrote there, or None when it is gone or nothing was written."""
    try:
        pid, started = (int(word) for word in path.read_text().split())
    except (OSError, ValueError):
        return None
    found = Process(pid, started)
    return found if found.is_alive() else None


def children(pid: int) -> list[int]:
    """The pids whose parent this is, zombies too."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _parent(entry) == pid]


def wait_until(condition: object, seconds: float, *, step: float = 0.05) -> bool:
    """Call `condition` until it is true; False when it is not within so many seconds."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True


def _stat_fields(entry: Path) -> list[str]:
    """The fields of /proc/PID/stat after the command name (proc(5)): state first; [] when the process is gone."""
    try:
        return (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _parent(entry: Path) -> int | None:
    fields = _stat_fields(entry)
    return int(fields[1]) if fields else None


def _started(pid: int) -> int | None:
    fields = _stat_fields(Path("/proc") / str(pid))
    return int(fields[19]) if fields and fields[0] not in "ZX" else None
