"""A PostgreSQL server of one test process: on a unix socket, run by an ordinary user, gone with its directory."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
NOBODY = 65534


class PostgreSQL:
    """`url(name)` makes an empty database; `stop` leaves nothing."""

    def __init__(self) -> None:
        self.directory, self._programs = Path(mkdtemp(prefix="gh-pg-", dir="/tmp")), SERVERS[-1]
        if os.getuid() == 0:
            os.chown(self.directory, NOBODY, NOBODY)  # PostgreSQL refuses root
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "guesthouse", "--no-sync", "-E", "UTF8")
        settings = f"-k {self.directory} -c listen_addresses= -c fsync=off -c max_connections=60"
        self._control("-o", settings, "-l", str(self.directory / "log"), "start")

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def url(self, name: str) -> str:
        """The URL of a new database."""
        self._run("createdb", "-h", str(self.directory), "-U", "guesthouse", name)
        return f"postgresql://guesthouse@/{name}?host={self.directory}"

    def stop(self) -> None:
        """End it and remove its directory."""
        self._control("-m", "immediate", "stop")
        shutil.rmtree(self.directory)

    def _control(self, *words: str) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-w", *words)

    def _run(self, program: str, *words: str) -> None:
        ordinary: dict[str, Any] = {"user": NOBODY, "group": NOBODY} if os.getuid() == 0 else {}
        subprocess.run(
            (str(self._programs / program), *words), check=True, capture_output=True, timeout=60, cwd="/", **ordinary
        )


@contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    """A server for the time of a test process."""
    server = PostgreSQL()
    try:
        yield server
    finally:
        server.stop()
