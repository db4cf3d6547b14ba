"""What both kinds of demo host share: the steps of up and down, and virsh with a deadline."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.demo import place
from deploy.demo.guests import GUESTS, Layout, Nic, definition
from deploy.demo.processes import Process, wait_until

# Nothing of the caller's settings reaches the daemon.
POOL = "images"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


class DemoHostError(Exception):
    """The demo host cannot run here; the sentence says why."""


class DemoHost(ABC):
    """A private libvirtd with the demo guests; everything it has lies in `directory`."""

    scope: str  # of the URI: system or session

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._spawned: subprocess.Popen[bytes] | None = None  # outlives this process, if this process does not end it
        self.socket = directory / "run" / "libvirt" / "libvirt-sock"

    @property
    def uri(self) -> str:
        """The connection URI, for any process of the same user."""
        return f"qemu+unix:///{self.scope}?socket={self.socket}"

    @abstractmethod
    def is_up(self) -> bool:
        """Whether the process that keeps the guests runs."""

    @abstractmethod
    def libvirtd(self) -> Process | None:
        """The running libvirtd, or None."""

    @abstractmethod
    def layout(self) -> Layout:
        """Where the files of the guests lie."""

    @abstractmethod
    def _begin(self) -> None:
        """Start the process that keeps the guests."""

    @abstractmethod
    def _start_libvirtd(self) -> None:
        """Start libvirtd below that process."""

    @abstractmethod
    def _end(self) -> None:
        """End every process and guest."""

    def up(self, image: Path) -> None:
        """Bring up host and guests, or find them up. `image` holds vmlinuz and initrd.gz."""
        place.make_private(self.directory)
        with self._locked():
            new = not self.is_up()
            if new:
                shutil.rmtree(self.directory / "run", ignore_errors=True)
                self._begin()
            try:
                self.start()
                self._see_to_guests(image, start=new)
            except (DemoHostError, subprocess.SubprocessError, OSError):
                if new:
                    self._end()
                raise

    def down(self) -> None:
        """End every process of this host and its guests."""
        if self.directory.exists():
            with self._locked():
                self._end()
        if self._spawned is not None:
            self._spawned.wait(20)
            self._spawned = None

    def start(self) -> None:
        """Start libvirtd, if it does not run; it finds its guests again."""
        if not self.is_up():
            raise DemoHostError("The demo host is not up.")
        if (running := self.libvirtd()) is not None:
            running.send(signal.SIGCONT)
        else:
            self._start_libvirtd()
        if not wait_until(self._answers, 30, step=0.1):
            raise DemoHostError(f"libvirtd does not answer at {self.socket}; see {self.directory}/log.")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Signal libvirtd alone; after a signal that ends it, wait until it is gone. The guests run on."""
        running = self.libvirtd()
        if running is None:
            return
        running.send(number)
        if number != signal.SIGSTOP:
            running.send(signal.SIGCONT)
            if not running.wait(20):
                raise DemoHostError("libvirtd did not end within 20 s.")

    def virsh(self, *words: str, seconds: float = 60, stdin: str = "") -> str:
        """What virsh prints. Raises CalledProcessError or TimeoutExpired."""
        done = subprocess.run(
            ["virsh", "-q", "-c", self.uri, *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
            env=ENVIRONMENT,
        )
        return done.stdout

    def _answers(self) -> bool:
        try:
            self.virsh("uri", seconds=10)
        except (subprocess.SubprocessError, OSError):
            return False
        return True

    def _see_to_guests(self, image: Path, *, start: bool) -> None:
        """Define what is missing; start the guests that the demo shows running, but only on a host just begun."""
        known = self.virsh("list", "--all", "--uuid").split()
        missing = [guest for guest in GUESTS if guest.uuid not in known]
        if missing:
            self.layout().copy_image(image)
        nic = self._nic() if missing else Nic.USER
        for guest in missing:
            self.layout().make_disk(guest)
            self.virsh("define", "/dev/stdin", "--validate", stdin=definition(guest, self.layout(), nic))
            if guest.autostart:
                self.virsh("autostart", guest.uuid)
        running = self.virsh("list", "--uuid").split()
        for guest in GUESTS:
            if guest.running and guest.uuid not in running and (start or guest in missing):
                self.virsh("start", guest.uuid)

    def see_to_pool(self) -> None:
        """A pool of the directory with kernel, initrd and medium: a guest can be created from the first hour on."""
        if POOL not in self.virsh("pool-list", "--all", "--name").split():
            self.virsh("pool-define-as", POOL, "dir", "--target", str(self.layout().seen))
            self.virsh("pool-autostart", POOL)
        if POOL not in self.virsh("pool-list", "--name").split():
            self.virsh("pool-start", POOL)

    def _nic(self) -> Nic:
        """How this host can connect its guests."""
        return Nic.USER

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One up or down at a time."""
        with (self.directory / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def demo_host(directory: Path) -> DemoHost:
    """The kind of host that this user can run."""
    from deploy.demo.session_host import SessionHost
    from deploy.demo.system_host import SystemHost

    return SystemHost(directory) if os.getuid() == 0 else SessionHost(directory)
