"""The demo host of an ordinary user: a session libvirtd below a keeper that reaps for it, without any capability."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from deploy.demo.guests import Layout
from deploy.demo.host import ENVIRONMENT, DemoHost, DemoHostError
from deploy.demo.processes import Process, process, saved_process, wait_until

KEEPER = Path(__file__).with_name("session_keeper.py")


class SessionHost(DemoHost):
    """A libvirtd of this user. It has no virtual networks, so its NICs have no statistics."""

    scope = "session"

    def layout(self) -> Layout:
        images = self.directory / "images"
        return Layout(images, images)

    def is_up(self) -> bool:
        return self._keeper() is not None

    def libvirtd(self) -> Process | None:
        found = _pid_in(self.directory / "run" / "libvirtd.pid")
        return found if found is not None and self._is_ours(found) else None

    def _keeper(self) -> Process | None:
        return saved_process(self.directory / "keeper.pid")

    def _begin(self) -> None:
        self._end_guests()
        for part in ("run", "config/libvirt", "cache", "data", "images", "log"):
            (self.directory / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.directory / "config" / "libvirt" / "qemu.conf").write_text('stdio_handler = "file"\n')
        with (self.directory / "log" / "keeper.log").open("wb") as log:
            keeper = self._spawned = subprocess.Popen(
                [sys.executable, KEEPER, self.directory],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=ENVIRONMENT | {"HOME": str(self.directory)},
                cwd="/",
                start_new_session=True,
            )
        found = process(keeper.pid)
        if found is None:
            raise DemoHostError(f"The demo host's keeper ended at once; see {log.name}.")
        found.save(self.directory / "keeper.pid")

    def _start_libvirtd(self) -> None:
        keeper = self._keeper()
        assert keeper is not None
        # The keeper listens for this signal from the moment it writes the file.
        if not wait_until((self.directory / "run" / "ready").exists, 20):
            raise DemoHostError(f"The demo host's keeper does not come up; see {self.directory}/log/keeper.log.")
        keeper.send(signal.SIGUSR1)
        if not wait_until(lambda: self.libvirtd() is not None, 20):
            raise DemoHostError(f"libvirtd did not start; see {self.directory}/log/libvirtd.log.")

    def _end(self) -> None:
        keeper = self._keeper()
        if keeper is not None:
            keeper.send(signal.SIGTERM)
            if not keeper.wait(20):
                raise DemoHostError("The demo host's keeper did not end within 20 s.")
        self._end_guests()

    def _end_guests(self) -> None:
        """End what a keeper that was killed left behind, found by libvirt's own pid files."""
        left = [self.libvirtd()]
        left += [_pid_in(path) for path in (self.directory / "run" / "libvirt" / "qemu" / "run").glob("*.pid")]
        for found in left:
            if found is not None and self._is_ours(found):
                found.send(signal.SIGKILL)
                found.wait(10)

    def _is_ours(self, found: Process) -> bool:
        """A pid file may be older than the machine's last boot: libvirtd and QEMU name our directory as an argument."""
        try:
            return str(self.directory) in Path(f"/proc/{found.pid}/cmdline").read_text(errors="replace")
        except OSError:
            return False


def _pid_in(path: Path) -> Process | None:
    try:
        return process(int(path.read_text()))
    except (OSError, ValueError):
        return None
