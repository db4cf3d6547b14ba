"""A PostgreSQL server of one test process: on a unix socket, run by an ordinary user, gone with its directory."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from deploy.demo.processes import wait_until

SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
NOBODY = 65534
ORDINARY: dict[str, Any] = {"user": NOBODY, "group": NOBODY} if os.getuid() == 0 else {}
PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None)


class PostgreSQL:
    """`url(name)` makes an empty database; `stop` leaves nothing."""

    def __init__(self) -> None:
        self.directory, self._programs = Path(mkdtemp(prefix="gh-pg-", dir="/tmp")), SERVERS[-1]
        if os.getuid() == 0:
            os.chown(self.directory, NOBODY, NOBODY)  # PostgreSQL refuses root
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "guesthouse", "--no-sync", "-E", "UTF8")
        settings = ["listen_addresses=", "fsync=off", "max_connections=60", f"unix_socket_directories={self.directory}"]
        with (self.directory / "log").open("wb") as log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *(f"-c{setting}" for setting in settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                preexec_fn=end_with_the_test_process,
                **ORDINARY,
            )
        if not wait_until(self._answers, 60):
            self.stop()
            raise AssertionError("PostgreSQL did not start")

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def url(self, name: str) -> str:
        """The URL of a new database."""
        self._run("createdb", "-h", str(self.directory), "-U", "guesthouse", name)
        return f"postgresql://guesthouse@/{name}?host={self.directory}"

    def stop(self) -> None:
        """End it and remove its directory."""
        self._server.send_signal(signal.SIGQUIT)  # its immediate shutdown
        self._server.wait(30)
        shutil.rmtree(self.directory)

    def _answers(self) -> bool:
        asked = [self._programs / "pg_isready", "-q", "-h", str(self.directory)]
        return self._server.poll() is None and subprocess.run(asked, timeout=10).returncode == 0

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            (str(self._programs / program), *words), check=True, capture_output=True, timeout=60, cwd="/", **ORDINARY
        )


def end_with_the_test_process() -> None:
    """In the child: killed with its parent, it must not stay."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)


@contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    """A server for the time of a test process."""
    server = PostgreSQL()
    try:
        yield server
    finally:
        server.stop()
