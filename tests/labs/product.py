"""The product as a user runs it: `manage.py serve` in a data directory and on a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

from deploy.demo.processes import Process, children, process, wait_until
from tests.labs.lab import REPOSITORY

ADMIN_PASSWORD = "a long enough passphrase for tests"
PREFIX = "gh-product-"


class Product:
    """A running Guesthouse. `hosts` are connection URIs by name; `settings` are further environment variables."""

    def __init__(self, hosts: dict[str, str], settings: dict[str, str] | None = None) -> None:
        self.data_dir = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
        self.hosts = len(hosts)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin_password = ADMIN_PASSWORD
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("GUESTHOUSE_", "DJANGO_"))
        }
        self.environment = inherited | {
            "GUESTHOUSE_DATA_DIR": str(self.data_dir / "data"),
            "GUESTHOUSE_RUNTIME_DIR": str(self.data_dir),
            "GUESTHOUSE_HOSTS": ",".join(f"{name}={uri}" for name, uri in hosts.items()),
            "GUESTHOUSE_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "GUESTHOUSE_TICK_SECONDS": "2",
            "PORT": str(self.port),
            **(settings or {}),
        }
        self.log = self.data_dir / "serve.log"
        self.left_behind: list[Process] = []  # what the last stop had to kill itself
        self._serve: subprocess.Popen[bytes] | None = None
        self.manage("firstrun")
        self.start()

    def manage(self, *words: str, stdin: str = "") -> str:
        """What `manage.py WORDS` prints, in this product's environment. Raises CalledProcessError."""
        done = subprocess.run(
            [sys.executable, REPOSITORY / "manage.py", *words],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self) -> None:
        """Start `serve`; returns when a page answers and every host was read, or found not to answer."""
        with self.log.open("ab") as log:
            self._serve = subprocess.Popen(
                [sys.executable, REPOSITORY / "manage.py", "serve"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if not wait_until(lambda: self.answers() or not self.is_running(), 60):
            self.stop()
        if not self.is_running():
            raise AssertionError(f"The product did not come up:\n{self.log.read_text(errors='replace')[-4000:]}")
        if not wait_until(self.knows_its_hosts, 30):
            self.stop()
            raise AssertionError(f"The worker read no host:\n{self.log.read_text(errors='replace')[-4000:]}")

    def knows_its_hosts(self) -> bool:
        """Whether the worker tried every host since this start: it was read, or said not to answer."""
        with closing(sqlite3.connect(f"file:{self.data_dir}/data/guesthouse.sqlite3?mode=ro", uri=True)) as database:
            states = [state for (state,) in database.execute("SELECT state FROM guests_host WHERE enabled")]
        return len(states) == self.hosts and "connecting" not in states

    def is_running(self) -> bool:
        """Whether `serve` runs."""
        return self._serve is not None and self._serve.poll() is None

    def answers(self) -> bool:
        """Whether the sign-in page can be read."""
        try:
            with urllib.request.urlopen(f"{self.url}/accounts/login/", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    @property
    def pid(self) -> int:
        """The pid of `serve`."""
        assert self._serve is not None
        return self._serve.pid

    @property
    def pids(self) -> dict[str, int]:
        """The pids of the processes that `serve` started, by command: web, consoleserver, hostworker."""
        found = {}
        for pid in children(self.pid):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
            except OSError:
                continue
            if "manage.py" in " ".join(words[:2]) and len(words) > 2:
                found[words[2]] = pid
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 20) -> int:
        """Signal `serve` and wait for its end; its exit status. Whatever it should leave behind is killed."""
        assert self._serve is not None
        below = [found for found in (process(pid) for pid in _family(self.pid)) if found]
        self._serve.send_signal(number)
        try:
            status = self._serve.wait(seconds)
        finally:
            if self._serve.poll() is None:
                self._serve.kill()
                self._serve.wait()
            self.left_behind = [left for left in below if left.is_alive()]
            for left in self.left_behind:
                left.send(signal.SIGKILL)
        return status

    def close(self) -> None:
        """Stop it and remove its directory."""
        try:
            if self.is_running():
                self.stop()
        finally:
            shutil.rmtree(self.data_dir, ignore_errors=True)


def _family(pid: int) -> list[int]:
    """The pids of everything below a process."""
    direct = children(pid)
    return direct + [below for child in direct for below in _family(child)]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
