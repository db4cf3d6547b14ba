"""The demo host of root: a system libvirtd in mount, network and PID namespaces of its own.

The machine's own libvirt is untouched, bridges and ports do not collide, and the end of the namespaces' init ends
every guest.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from deploy.demo.guests import Layout, Nic
from deploy.demo.host import ENVIRONMENT, DemoHost, DemoHostError
from deploy.demo.processes import Process, children, process, saved_process, wait_until

INIT = Path(__file__).with_name("namespace-init.sh")
NOBODY, NOGROUP = 65534, 65534

LIBVIRTD_CONF = """\
listen_tls = 0
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
unix_sock_ro_perms = "0700"
"""
# file: no virtlogd; namespaces: with them QEMU cannot start where /dev/kvm is hidden by a mount.
QEMU_CONF = """\
user = "nobody"
group = "nogroup"
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
remember_owner = 0
"""
# On a bridge that is there already (namespace-init.sh): a bridge of libvirt's own would need iptables.
NETWORK = "<network><name>demo</name><forward mode='bridge'/><bridge name='demo0'/></network>"


class SystemHost(DemoHost):
    """A libvirtd of root, seen from outside by its socket only."""

    scope = "system"

    def layout(self) -> Layout:
        return Layout(self.directory / "lib" / "images", Path("/var/lib/libvirt/images"))

    def is_up(self) -> bool:
        return self._init() is not None

    def libvirtd(self) -> Process | None:
        """Found by its pid inside the namespace (libvirtd's own pid file), given as the pid outside."""
        init = self._init()
        try:
            inner = (self.directory / "run" / "libvirtd.pid").read_text().strip()
        except OSError:
            return None
        if init is None:
            return None
        namespace = Path(f"/proc/{init.pid}/ns/pid").readlink()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _pid_inside(entry, namespace) == inner:
                return process(int(entry.name))
        return None

    def _init(self) -> Process | None:
        return saved_process(self.directory / "init.pid")

    def _begin(self) -> None:
        for part in ("run/libvirt", "run/lock", "etc", "lib/qemu", "lib/images", "log/qemu", "cache"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)
        for path in [path for path in self.directory.rglob("*") if path.is_dir()]:
            if path.parent == self.directory or path.parent.parent == self.directory:
                path.chmod(0o755)
        for part in ("lib/qemu", "log/qemu"):
            os.chown(self.directory / part, NOBODY, NOGROUP)
        (self.directory / "no-kvm").touch()
        (self.directory / "etc" / "libvirtd.conf").write_text(LIBVIRTD_CONF)
        (self.directory / "etc" / "qemu.conf").write_text(QEMU_CONF)
        with (self.directory / "init.log").open("wb") as log:
            outer = self._spawned = subprocess.Popen(
                ["unshare", "-m", "-n", "-p", "-f", "--kill-child", "--mount-proc", "bash", INIT, self.directory],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        ready = self.directory / "run" / "ready"
        if not wait_until(lambda: ready.exists() or outer.poll() is not None, 20) or outer.poll() is not None:
            outer.kill()
            outer.wait()
            reason = (self.directory / "init.log").read_text(errors="replace").strip()
            raise DemoHostError(f"Namespaces for the demo host cannot be made here: {reason or 'no reason given'}.")
        init = process(children(outer.pid)[0])
        assert init is not None
        init.save(self.directory / "init.pid")

    def _start_libvirtd(self) -> None:
        init = self._init()
        assert init is not None
        with (self.directory / "log" / "libvirtd.log").open("ab") as log:
            done = subprocess.run(
                ["nsenter", "-t", str(init.pid), "-m", "-n", "-p", "libvirtd", "-d"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
                cwd="/",
                timeout=60,
                check=False,
            )
        if done.returncode:
            raise DemoHostError(f"libvirtd did not start; see {log.name}.")

    def _nic(self) -> Nic:
        """A virtual network where there can be one: only its NICs have statistics."""
        try:
            if "demo" not in self.virsh("net-list", "--all", "--name").split():
                self.virsh("net-define", "/dev/stdin", stdin=NETWORK)
            if "demo" not in self.virsh("net-list", "--name").split():
                self.virsh("net-start", "demo")
            self.virsh("net-autostart", "demo")
        except subprocess.CalledProcessError:
            return Nic.USER
        return Nic.NETWORK

    def _end(self) -> None:
        init = self._init()
        if init is not None:
            # PID 1 of the namespace: the kernel ends libvirtd and every guest with it, and the mounts go too.
            init.send(signal.SIGKILL)
            if not init.wait(20):
                raise DemoHostError("The demo host's namespaces did not end within 20 s.")


def _pid_inside(entry: Path, namespace: Path) -> str | None:
    """The innermost pid of a process, if it lives in that PID namespace."""
    try:
        if (entry / "ns" / "pid").readlink() != namespace:
            return None
        lines = (entry / "status").read_text().splitlines()
    except OSError:
        return None
    return next((line.split()[-1] for line in lines if line.startswith("NSpid:")), None)
