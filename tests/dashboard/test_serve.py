"""The supervisor, with real processes: what dies comes back, and nothing outlives the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dashboard.serve import FIRST_PAUSE, LONGEST_PAUSE, STEADY, Supervised
from deploy.demo.processes import Process, process, wait_until

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SUPERVISE = """
import sys
from dashboard.serve import Supervisor
commands = {name: [sys.executable, "-c", code] for name, code in zip(sys.argv[1::2], sys.argv[2::2])}
Supervisor(commands).run()
"""
SLEEPS = "import os, pathlib, time; pathlib.Path({path!r}).write_text(str(os.getpid())); time.sleep(60)"
IGNORES_SIGTERM = (
    "import signal, subprocess, pathlib, os, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "below = subprocess.Popen(['sleep', '60']); pathlib.Path({path!r}).write_text(f'{{os.getpid()}} {{below.pid}}');"
    "time.sleep(60)"
)


class Supervision:
    """A supervisor in a process of its own, and what it runs."""

    def __init__(self, directory: Path, programs: dict[str, str]) -> None:
        self.files = {name: directory / name for name in programs}
        arguments = [
            word for name, code in programs.items() for word in (name, code.format(path=str(self.files[name])))
        ]
        self.process = subprocess.Popen([sys.executable, "-c", SUPERVISE, *arguments], cwd=REPOSITORY)

    def found(self, name: str) -> list[Process]:
        """The processes that a program wrote down."""
        path = self.files[name]
        assert wait_until(lambda: path.exists() and path.read_text().strip(), 20), f"{name} did not start"
        return [one for one in (process(int(word)) for word in path.read_text().split()) if one]

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervision]]:
    made: list[Supervision] = []

    def start(**programs: str) -> Supervision:
        made.append(Supervision(tmp_path, programs))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_a_process_that_was_killed_is_started_again(supervise: Callable[..., Supervision]) -> None:
    running = supervise(first=SLEEPS, second=SLEEPS)
    before, other = running.found("first")[0], running.found("second")[0]
    os.kill(before.pid, signal.SIGKILL)
    assert wait_until(lambda: running.found("first") not in ([], [before]), 20)
    assert running.found("first")[0].pid != before.pid
    assert other.is_alive()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_end_of_the_supervisor_ends_everything(
    supervise: Callable[..., Supervision], number: signal.Signals
) -> None:
    running = supervise(first=SLEEPS, second=SLEEPS)
    below = running.found("first") + running.found("second")
    assert running.end(number) == 0
    assert len(below) == 2
    assert not [one for one in below if one.is_alive()]


def test_a_killed_supervisor_takes_everything_with_it(supervise: Callable[..., Supervision]) -> None:
    running = supervise(first=SLEEPS, second=SLEEPS)
    below = running.found("first") + running.found("second")
    running.end(signal.SIGKILL)
    assert wait_until(lambda: not [one for one in below if one.is_alive()], 5)


def test_what_does_not_end_is_killed_with_what_it_started(supervise: Callable[..., Supervision]) -> None:
    running = supervise(stubborn=IGNORES_SIGTERM)
    below = running.found("stubborn")
    running.process.send_signal(signal.SIGTERM)
    assert below[0].is_alive()
    assert running.process.wait(20) == 0
    assert len(below) == 2
    assert wait_until(lambda: not [one for one in below if one.is_alive()], 5)


def test_the_pause_before_a_restart_doubles_up_to_a_bound_and_starts_anew_after_a_steady_time() -> None:
    supervised = Supervised("web", ["true"])
    pauses = []
    for _ in range(9):
        supervised.note_end(now=100.0)
        supervised.started_at = 100.0
        pauses.append(supervised.start_at - 100.0)
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    supervised.note_end(now=100.0 + STEADY)
    assert supervised.start_at == 100.0 + STEADY + FIRST_PAUSE
