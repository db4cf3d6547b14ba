"""Keeps the session libvirtd of an ordinary user: its subreaper, so every probe and guest is its child and is reaped.

libvirt waits for its QEMU probes to be reaped; below a slow or absent reaper one define took 75 s. Started by
session_host.py; needs the standard library only. SIGUSR1 starts libvirtd if it does not run, SIGTERM ends it all.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}


def main(directory: Path) -> None:
    """Wait for signals until told to end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        sys.exit(f"This process cannot be a subreaper: {os.strerror(ctypes.get_errno())}.")
    (directory / "run" / "ready").touch()
    libvirtd = 0
    while True:
        number = signal.sigwait(SIGNALS)
        gone = reap()
        if libvirtd in gone:
            libvirtd = 0
        if number in {signal.SIGTERM, signal.SIGINT}:
            end(libvirtd)
            return
        if number == signal.SIGUSR1 and not libvirtd:
            libvirtd = start_libvirtd(directory)


def start_libvirtd(directory: Path) -> int:
    """Start it with everything it writes below the directory; its pid."""
    (directory / "run" / "libvirtd.pid").unlink(missing_ok=True)
    environment = dict(
        os.environ,
        XDG_RUNTIME_DIR=str(directory / "run"),
        XDG_CONFIG_HOME=str(directory / "config"),
        XDG_CACHE_HOME=str(directory / "cache"),
        XDG_DATA_HOME=str(directory / "data"),
    )
    log = str(directory / "log" / "libvirtd.log")
    return os.posix_spawn(
        "/usr/sbin/libvirtd",
        ["/usr/sbin/libvirtd", "--pid-file", str(directory / "run" / "libvirtd.pid")],
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
    )


def reap() -> set[int]:
    """Collect every child that has ended."""
    gone = set()
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            gone.add(pid)
    return gone


def end(libvirtd: int) -> None:
    """End libvirtd, then every guest, which are all children of ours."""
    if libvirtd:
        os.kill(libvirtd, signal.SIGTERM)
        os.kill(libvirtd, signal.SIGCONT)
        deadline = time.monotonic() + 5
        while libvirtd not in reap() and time.monotonic() < deadline:
            time.sleep(0.05)
    deadline = time.monotonic() + 10
    while (left := own_children()) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
        reap()


def own_children() -> list[int]:
    """The pids whose parent is this process (proc(5), stat field 4)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == os.getpid():
                    found.append(int(entry.name))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
