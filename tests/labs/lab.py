"""A private libvirtd with the three demo guests, of one test process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

from deploy.demo.guests import GUESTS, DemoGuest
from deploy.demo.host import demo_host
from deploy.demo.image import see_to_image
from deploy.demo.processes import Process, process, saved_process, wait_until

REPOSITORY = Path(__file__).resolve().parent.parent.parent
IMAGE = REPOSITORY / "var" / "guest-image"
PREFIX = "gh-lab-"


class Lab:
    """The demo host in a short directory of its own; `close` leaves nothing of it."""

    def __init__(self) -> None:
        remove_abandoned_labs()
        # Short, because unix socket paths end at 107 bytes; pytest's own directories are too deep.
        self.directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
        me = process(os.getpid())
        assert me is not None
        me.save(self.directory / "owner")
        self.host = demo_host(self.directory)
        self.host.up(see_to_image(IMAGE))

    @property
    def uri(self) -> str:
        """The connection URI, for any process of this user."""
        return self.host.uri

    @property
    def libvirtd(self) -> Process | None:
        """The running libvirtd, with its pid as seen from here; None when stopped."""
        return self.host.libvirtd()

    def uuid(self, name: str) -> str:
        """The fixed UUID of a guest: web-1, db-1 (running) or backup-1 (shut off)."""
        return self.demo_guest(name).uuid

    def demo_guest(self, name: str) -> DemoGuest:
        """What the guest was defined with."""
        return next(guest for guest in GUESTS if guest.name == name)

    def virsh(self, *words: str, seconds: float = 60, stdin: str = "") -> str:
        """What virsh prints. Raises CalledProcessError (see its stderr) or TimeoutExpired."""
        return self.host.virsh(*words, seconds=seconds, stdin=stdin)

    def state(self, name: str) -> str:
        """The state in virsh's words."""
        return self.virsh("domstate", self.uuid(name)).strip()

    def stop_libvirtd(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Signal libvirtd alone (SIGTERM, SIGKILL, or SIGSTOP to hang it); its guests run on."""
        self.host.stop(number)

    def start_libvirtd(self) -> None:
        """Start libvirtd, or wake it after SIGSTOP; returns when it answers."""
        self.host.start()

    def balloon(self, name: str) -> dict[str, int]:
        """`virsh dommemstat`: actual, usable, available … in KiB; without usable until the guest's driver is up."""
        lines = self.virsh("dommemstat", self.uuid(name)).splitlines()
        return {words[0]: int(words[1]) for words in map(str.split, lines) if len(words) == 2}

    def wait_until_booted(self, name: str, seconds: float = 60) -> None:
        """Return when the guest's balloon has arrived; its shells come up a moment before."""
        wanted = int(self.virsh("dumpxml", self.uuid(name), "--inactive", "--xpath", "//currentMemory/text()"))

        def arrived() -> bool:
            balloon = self.balloon(name)
            # The guest's own figures follow every 2 s.
            return balloon["actual"] == wanted and 0 < balloon.get("usable", 0) < wanted

        assert wait_until(arrived, seconds, step=0.3), f"{name} did not boot: {self.balloon(name)}"

    def restore(self) -> None:
        """Bring libvirtd and every guest back to how `up` made them; quick when nothing was changed."""
        self.start_libvirtd()
        for guest in GUESTS:
            self._restore_definition(guest)
            state = self.state(guest.name)
            if guest.running and state == "paused":
                self.virsh("resume", guest.uuid)
                state = "running"
            live_vcpus = int(self.virsh("vcpucount", guest.uuid, "--live", "--active")) if state == "running" else 0
            wrong = state == "running" and (not guest.running or live_vcpus != guest.vcpus)
            if state not in {"running", "shut off"} or wrong:
                self.virsh("destroy", guest.uuid)
                state = "shut off"
            if guest.running and state == "shut off":
                self.virsh("start", guest.uuid)
            elif guest.running and self.balloon(guest.name).get("actual") != guest.current_kib:
                self.virsh("setmem", guest.uuid, str(guest.current_kib), "--live")

    def _restore_definition(self, guest: DemoGuest) -> None:
        root = ElementTree.fromstring(self.virsh("dumpxml", guest.uuid, "--inactive"))
        memory, current, vcpu = root.find("memory"), root.find("currentMemory"), root.find("vcpu")
        assert memory is not None
        assert current is not None
        assert vcpu is not None
        wanted = (str(guest.maximum_kib), str(guest.current_kib), str(guest.maximum_vcpus), str(guest.vcpus))
        if (memory.text, current.text, vcpu.text, vcpu.get("current", vcpu.text)) == wanted:
            return
        memory.text, current.text, vcpu.text = wanted[:3]
        vcpu.set("current", wanted[3])
        self.virsh("define", "/dev/stdin", stdin=ElementTree.tostring(root, encoding="unicode"))

    def pool(self, name: str = "images") -> Path:
        """A directory pool that the guests can reach, active and empty of what an earlier test left; its directory."""
        layout = self.host.layout()
        path = layout.real.parent / name
        if name not in self.virsh("pool-list", "--all", "--name").split():
            path.mkdir(exist_ok=True)
            self.virsh("pool-define-as", name, "dir", "--target", str(layout.seen.parent / name))
            self.virsh("pool-start", name)
        for left in path.iterdir():
            left.unlink()
        self.virsh("pool-refresh", name)
        return path

    def close(self) -> None:
        """End every process and remove the directory."""
        self.host.down()
        shutil.rmtree(self.directory)


def remove_abandoned_labs() -> None:
    """Take down labs whose test process was killed before it could."""
    for directory in Path("/tmp").glob(f"{PREFIX}*"):
        owned = directory / "owner"
        try:
            if not owned.exists() or saved_process(owned) or time.time() - owned.stat().st_mtime < 5:
                continue
            demo_host(directory).down()
            shutil.rmtree(directory, ignore_errors=True)
        except (OSError, subprocess.SubprocessError):
            continue  # another user's, or another test process does the same just now
