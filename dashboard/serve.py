"""The supervisor: starts the processes of one machine, starts again what dies, ends all of them together."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1  # prctl(2)
DESCRIPTORS = 65_536  # enough for thousands of consoles; some machines have a hard limit of a thousand million
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before a process that died is started again; doubled each time
STEADY = 30.0  # seconds after which a process counts as well again
END_SECONDS = 10.0  # between SIGTERM and SIGKILL
SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


@dataclass(slots=True)
class Supervised:
    """One process that must run; times are of the monotonic clock."""

    name: str
    command: Sequence[str]
    running: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause: float = FIRST_PAUSE
    start_at: float = 0.0

    def note_end(self, now: float) -> None:
        """It died: when to start it again."""
        if now - self.started_at >= STEADY:
            self.pause = FIRST_PAUSE
        self.running = None
        self.start_at = now + self.pause
        self.pause = min(self.pause * 2, LONGEST_PAUSE)


@dataclass(slots=True)
class Supervisor:
    """Runs commands until SIGTERM, SIGINT or SIGHUP. `announce` is called until it says that it has done so."""

    commands: dict[str, Sequence[str]]
    announce: Callable[[], bool] = lambda: True
    supervised: list[Supervised] = field(init=False)

    def __post_init__(self) -> None:
        self.supervised = [Supervised(name, command) for name, command in self.commands.items()]

    def run(self) -> None:
        """Return when everything has ended."""
        raise_descriptor_limit()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            announced = False
            while True:
                self._note_ends()
                self._start_due()
                announced = announced or self.announce()
                arrived = signal.sigtimedwait(SIGNALS, self._seconds_to_next_start() if announced else 0.1)
                if arrived is not None and arrived.si_signo != signal.SIGCHLD:
                    return
        finally:
            self._end()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _start_due(self) -> None:
        now = time.monotonic()
        for process in self.supervised:
            if process.running is None and process.start_at <= now:
                process.started_at = now
                process.running = subprocess.Popen(
                    process.command,
                    stdin=subprocess.DEVNULL,
                    process_group=0,  # Ctrl-C in a terminal is for the supervisor alone, which then ends the others
                    preexec_fn=_prepare_child,
                )

    def _seconds_to_next_start(self) -> float:
        """At most 60, so that a wrong clock cannot stop it all."""
        waiting = [process.start_at for process in self.supervised if process.running is None]
        return min([60.0, *(max(0.0, start_at - time.monotonic()) for start_at in waiting)])

    def _note_ends(self) -> None:
        for process in self.supervised:
            if process.running is not None and process.running.poll() is not None:
                status = process.running.returncode
                process.note_end(time.monotonic())
                seconds = process.start_at - time.monotonic()
                logger.error("%s ended (%s); starting it again in %.1f s", process.name, status, seconds)

    def _end(self) -> None:
        """SIGTERM to all, SIGKILL to what is left of them after a while, or at a second SIGINT or SIGTERM."""
        running = [process.running for process in self.supervised if process.running is not None]
        for child in running:
            child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + END_SECONDS
        while any(child.poll() is None for child in running) and (left := deadline - time.monotonic()) > 0:
            arrived = signal.sigtimedwait(SIGNALS, min(left, 0.5))
            if arrived is not None and arrived.si_signo in {signal.SIGINT, signal.SIGTERM}:
                break
        for child in running:
            if child.poll() is None:
                logger.error("process %d did not end in time and is killed", child.pid)
            # The group too: what a child started must not outlive it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def raise_descriptor_limit() -> None:
    """Two descriptors for each console: the soft limit of an ordinary user (1024) would end at 500."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def manage(command: str) -> list[str]:
    """The command line of one of the project's own commands."""
    from django.conf import settings

    return [sys.executable, str(settings.BASE_DIR / "manage.py"), command]


_libc = ctypes.CDLL(None)


def _prepare_child() -> None:
    """In the child: no signal blocked, and an end with the supervisor even when that is killed."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
