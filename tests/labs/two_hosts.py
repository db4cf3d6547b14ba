"""Two real libvirt hosts in namespaces of this machine, of one test process: over qemu+tcp and qemu+ssh."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deploy.demo.image import see_to_image
from tests.labs.certificates import Authority
from tests.labs.lab import IMAGE

SCRIPT = Path(__file__).parent / "kvm-hosts"
IMAGES = "/var/lib/libvirt/images"  # as a host sees its own
# QEMU runs as nobody there, and asks clients for a certificate.
TLS = 'vnc_tls = 1\nvnc_tls_x509_verify = 1\nvnc_tls_x509_cert_dir = "/etc/libvirt/pki"\n'


@dataclass(frozen=True)
class TwoHosts:
    """The lab: host K is named by its number, 1 or 2. VNC servers of host 2 want TLS, certified by `authority`."""

    directory: Path
    network: str
    environment: dict[str, str]
    authority: Authority

    @classmethod
    def up(cls) -> TwoHosts:
        """Bring both up, with the guest image; `down` leaves nothing of them."""
        directory = Path(tempfile.mkdtemp(prefix="gh-two-", dir="/tmp"))
        directory.chmod(0o755)
        number = os.getpid() % 200
        environment = dict(os.environ, LAB=str(directory), NET=f"10.98.{number}", BRIDGE=f"br-gh{number}-")
        hosts = cls(directory, f"10.98.{number}", environment, Authority())
        (directory / "qemu-2.conf").write_text(TLS)
        files = hosts.authority.write(directory / "host2" / "etc" / "pki", "server", hosts.address(2))
        (files / "server-key.pem").chmod(0o644)
        try:
            hosts.run("up", "2")
            image = see_to_image(IMAGE)
            for host in (1, 2):
                for name in ("vmlinuz", "initrd.gz"):
                    shutil.copyfile(image / name, hosts.images(host) / name)
        except BaseException:
            hosts.down()
            raise
        return hosts

    def down(self) -> None:
        """End every process and remove the directory."""
        self.run("down")
        shutil.rmtree(self.directory, ignore_errors=True)

    def address(self, host: int) -> str:
        return f"{self.network}.{host}"

    def uri(self, host: int) -> str:
        return f"qemu+tcp://{self.address(host)}/system"

    def ssh_uri(self, host: int) -> str:
        """Its ssh keeps no known hosts: later runs have the same addresses with other keys, and nothing is left."""
        command = self.directory / "ssh"
        if not command.exists():
            command.write_text('#!/bin/sh\nexec ssh -o UserKnownHostsFile=/dev/null "$@"\n')
            command.chmod(0o755)
        key = self.directory / "ssh_key"
        return f"qemu+ssh://root@{self.address(host)}/system?command={command}&keyfile={key}&no_verify=1"

    def images(self, host: int) -> Path:
        """Where IMAGES of a host lies for the test."""
        return self.directory / f"host{host}" / "lib" / "images"

    def run(self, *words: str) -> None:
        # Its daemons keep the descriptors they inherit: a pipe would never end.
        with (self.directory / "script.log").open("ab") as log:
            subprocess.run(
                [SCRIPT, *words],
                env=self.environment,
                check=True,
                timeout=120,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def virsh(self, host: int, *words: str, stdin: str = "") -> str:
        """What virsh prints of that host. Raises CalledProcessError."""
        command = ["virsh", "-q", "-c", self.uri(host), *words]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True, timeout=60).stdout

    def signal_libvirtd(self, host: int, number: signal.Signals) -> None:
        self.run("exec", str(host), "sh", "-c", f"kill -{int(number)} $(cat /run/libvirtd.pid)")
