"""Who this worker is, so that the next one on this machine knows at once that it is dead."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path


def _place() -> str:
    """The set of processes whose numbers mean the same: this machine's boot and PID namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        namespace = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    except OSError:
        return ""
    return f"{socket.gethostname()[:40]}/{boot}/{namespace}"


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot (proc(5), stat, field 22); "" when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in {"Z", "X"} else fields[19]


def own_name() -> str:
    """A name that no other worker has, at most 100 characters."""
    pid = os.getpid()
    return f"{_place()}/{pid}/{_started(pid)}/{secrets.token_hex(4)}"


def is_dead(owner: str) -> bool:
    """Whether a worker is known not to run any more; False for one on another machine."""
    parts = owner.rsplit("/", 3)
    if len(parts) != 4:
        return False
    place, pid, started, _token = parts
    if not place or place != _place() or not pid.isdigit():
        return False
    return _started(int(pid)) != started
