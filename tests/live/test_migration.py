"""A real guest that is migrated between two hosts: its page, what hangs on it and its open consoles go with it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from tests.labs.product import Product
from tests.labs.two_hosts import IMAGES, TwoHosts
from tests.live.text_client import TextClient, WebSession

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="bridges and network namespaces need root"),
]
UUID = "5f3c1b0e-0000-4000-8000-0000000c0001"
GUEST = f"""
<domain type='qemu'>
  <name>nomad</name><uuid>{UUID}</uuid><memory unit='MiB'>192</memory><vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{IMAGES}/vmlinuz</kernel><initrd>{IMAGES}/initrd.gz</initrd>
    <cmdline>console=ttyS0 quiet guest=nomad</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <serial type='pty'/>
    <graphics type='vnc' autoport='yes' listen='0.0.0.0'/>
    <memballoon model='virtio'><stats period='2'/></memballoon>
  </devices>
</domain>
"""


class Site:
    """The product over both hosts."""

    def __init__(self, hosts: TwoHosts, product: Product) -> None:
        self.hosts, self.product = hosts, product
        self.admin = WebSession(product.url, "admin", product.admin_password)

    def migrate(self, here: int, there: int, *options: str) -> None:
        to = self.hosts.network
        self.hosts.virsh(
            here, "migrate", "nomad", self.hosts.uri(there), "--migrateuri", f"tcp://{to}.{there}", *options
        )

    def rows(self) -> dict[str, tuple[str, str]]:
        """Id and state of every row that is there, by the name of its host."""
        file = f"file:{self.product.data_dir}/data/guesthouse.sqlite3?mode=ro"
        with closing(sqlite3.connect(file, uri=True)) as database:
            found = database.execute(
                "SELECT h.name, g.id, g.state FROM guests_guest g JOIN guests_host h ON h.id = g.host_id "
                "WHERE g.gone_at IS NULL AND g.uuid = ?",
                [UUID.replace("-", "")],
            )
            return {host: (str(identity), state) for host, identity, state in found}

    def wait_for_rows(self, wanted: Callable[[dict[str, tuple[str, str]]], bool], seconds: float = 15) -> None:
        deadline = time.monotonic() + seconds
        while not wanted(self.rows()):
            assert time.monotonic() < deadline, self.rows()
            time.sleep(0.05)


@pytest.fixture(scope="module")
def site(two_hosts: TwoHosts) -> Iterator[Site]:
    two_hosts.virsh(1, "define", "/dev/stdin", stdin=GUEST)
    two_hosts.virsh(1, "start", "nomad")
    product = Product({"one": two_hosts.uri(1), "two": two_hosts.uri(2)})
    try:
        site = Site(two_hosts, product)
        site.admin.wait_for_console(UUID)
        yield site
    finally:
        product.close()
        for host in (1, 2):
            for word in ("destroy", "undefine"):
                with suppress(subprocess.CalledProcessError):
                    two_hosts.virsh(host, word, "nomad")


def test_the_guest_its_page_and_an_open_console_go_to_the_other_host_and_back(site: Site) -> None:
    identity = UUID.replace("-", "")
    console = TextClient(site.admin, UUID)
    try:
        console.wait_for_prompt()
        console.type(b"i=0; while ! read -t 1 line; do i=$((i+1)); echo tick-$i; done\r")
        console.wait_for_output(b"tick-2\r\n")
        site.migrate(1, 2, "--live", "--persistent", "--undefinesource")
        site.wait_for_rows(lambda rows: rows == {"two": (identity, "running")})
        console.wait(lambda: console.said("host")[-1] == "two" and console.state == "live")
        at = len(console.output)
        console.wait(lambda: console.output[at:].count(b"tick-") > 2)
        assert console.said("mark") == ["moved"]
        # Back, paused, and its definition stays where it was.
        site.hosts.virsh(2, "suspend", "nomad")
        site.migrate(2, 1)
        site.wait_for_rows(lambda rows: rows.get("one") == (identity, "paused") and rows["two"][1] == "shut-off")
        site.hosts.virsh(1, "resume", "nomad")
        console.wait(lambda: console.said("host")[-1] == "one" and console.state == "live")
        console.type(b"\recho back-$((40+2))\r")
        console.wait_for_output(b"back-42\r\n")
    finally:
        console.close()
    page = site.admin.get(f"/guests/{UUID}/")
    assert "/hosts/one/" in page
    site.hosts.virsh(2, "undefine", "nomad")
    site.wait_for_rows(lambda rows: rows == {"one": (identity, "running")})
