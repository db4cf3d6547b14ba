"""A real guest that is migrated between two hosts: its page, what hangs on it and its open consoles go with it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
import urllib.error
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any
from xml.etree import ElementTree

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

    @contextmanager
    def running(self, name: str, guest: str, xml: str) -> Iterator[None]:
        """A guest that begins on host one; it is on neither afterwards."""
        self.hosts.virsh(1, "define", "/dev/stdin", stdin=xml)
        self.hosts.virsh(1, "start", name)
        self.wait_for_page(guest, "Running")
        yield
        for host in (1, 2):
            for word in ("destroy", "undefine"):
                with suppress(subprocess.CalledProcessError):
                    self.hosts.virsh(host, word, name)

    def wait_for_page(self, guest: str, words: str, seconds: float = 15) -> None:
        """Until the guest's page says so."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(urllib.error.HTTPError):
                if words in self.admin.get(f"/guests/{guest}/"):
                    return
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def operation(self, seconds: float = 30) -> dict[str, Any]:
        """The last one, when it is over."""
        deadline = time.monotonic() + seconds
        while (found := self.last_operation()) and not found["ended_at"]:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    def last_operation(self) -> dict[str, Any]:
        with closing(sqlite3.connect(self.database, uri=True)) as database:
            database.row_factory = sqlite3.Row
            return dict(database.execute("SELECT * FROM guests_operation ORDER BY asked_at DESC LIMIT 1").fetchone())

    def recorded(self, side: str) -> dict[str, str]:
        """Where the audit record says that the last migration found and left the guest."""
        with closing(sqlite3.connect(self.database, uri=True)) as database:
            asked = (
                "SELECT detail FROM guests_auditrecord WHERE action = 'guest.migrate.ended' ORDER BY id DESC LIMIT 1"
            )
            detail = json.loads(database.execute(asked).fetchone()[0])
        return {name: detail[side][name] for name in ("host", "state")}

    @property
    def database(self) -> str:
        return f"file:{self.product.data_dir}/data/guesthouse.sqlite3?mode=ro"

    def rows(self) -> dict[str, tuple[str, str]]:
        """Id and state of every row that is there, by the name of its host."""
        with closing(sqlite3.connect(self.database, uri=True)) as database:
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
        site.migrate(2, 1, "--persistent")
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


def test_somebody_migrates_it_with_the_form_and_the_console_goes_on(site: Site) -> None:
    identity = UUID.replace("-", "")
    site.hosts.virsh(1, "autostart", "nomad")
    form = site.admin.get(f"/guests/{UUID}/migrate/")
    assert 'value="two"' in form
    console = TextClient(site.admin, UUID)
    try:
        console.wait_for_prompt()
        page = site.admin.post(f"/guests/{UUID}/migrate/", to="two")
        assert "on its way to two" in page or "is on two now" in page, page[page.find("<main") :][:4000]
        operation = site.operation()
        assert (operation["state"], operation["message"]) == ("done", "")
        assert site.rows() == {"two": (identity, "running")}
        assert site.recorded("before") == {"host": "one", "state": "running"}
        assert site.recorded("after") == {"host": "two", "state": "running"}
        console.wait(lambda: console.said("host")[-1] == "two" and console.state == "live")
        console.type(b"echo there-$((40+2))\r")
        console.wait_for_output(b"there-42\r\n")
    finally:
        console.close()
    assert "Autostart:      enable" in site.hosts.virsh(2, "dominfo", "nomad")
    assert "nomad" not in site.hosts.virsh(1, "list", "--all")


def test_it_is_cancelled_and_runs_on_where_it_was(site: Site) -> None:
    site.hosts.virsh(2, "migrate-setspeed", "nomad", "1")
    try:
        site.admin.post(f"/guests/{UUID}/migrate/", to="one")
        deadline = time.monotonic() + 20
        while not site.last_operation()["progress_rate"]:
            assert time.monotonic() < deadline, site.last_operation()
            time.sleep(0.1)
        page = site.admin.get(f"/guests/{UUID}/")
        assert "iB/s" in page, page[page.find("on-its-way") :][:2000]
        assert "Migrate: two → one" in page
        operation = str(uuid.UUID(site.last_operation()["id"]))
        site.admin.post(f"/operations/{operation}/cancel/", next=f"/guests/{UUID}/")
        ended = site.operation()
        assert (ended["state"], ended["message"]) == ("failed", "Cancelled: nomad stays on two.")
    finally:
        site.hosts.virsh(2, "migrate-setspeed", "nomad", "8192")
    assert site.hosts.virsh(2, "domstate", "nomad").strip() == "running"
    assert site.hosts.virsh(1, "list", "--all", "--name").strip().find("nomad") == -1
    site.wait_for_rows(lambda rows: set(rows) == {"two"})


def test_a_failure_leaves_it_running_where_it_was(site: Site) -> None:
    kernel = site.hosts.images(1) / "vmlinuz"
    kernel.rename(kernel.with_suffix(".away"))
    try:
        page = site.admin.post(f"/guests/{UUID}/migrate/", to="one")
        ended = site.operation()
    finally:
        kernel.with_suffix(".away").rename(kernel)
    assert ended["state"] == "failed"
    assert ended["message"].startswith("nomad stays on two. ")
    assert "nomad stays on two." in page or "on its way" in page
    assert site.hosts.virsh(2, "domstate", "nomad").strip() == "running"
    site.wait_for_rows(lambda rows: set(rows) == {"two"})


HAULER = "5f3c1b0e-0000-4000-8000-0000000c0002"
HAULER_XML = f"""
<domain type='qemu'>
  <name>hauler</name><uuid>{HAULER}</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{IMAGES}/hauler.img'/><target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
"""


@pytest.fixture
def hauler(site: Site) -> Iterator[None]:
    """A guest on host one with a disk that host two does not have."""
    image = site.hosts.images(1) / "hauler.img"
    image.write_bytes(b"cargo" + bytes(4 * 1024 * 1024))
    image.chmod(0o666)
    site.hosts.virsh(2, "pool-create-as", "images", "dir", "--target", IMAGES)
    with site.running("hauler", HAULER, HAULER_XML):
        yield
    site.hosts.virsh(2, "pool-destroy", "images")


def test_its_disks_are_copied_where_that_is_asked_for(site: Site, hauler: None) -> None:
    site.admin.post(f"/guests/{HAULER}/migrate/", to="two")
    refused = site.operation()
    assert refused["state"] == "failed"
    assert "hauler stays on one. " in refused["message"]
    site.admin.post(f"/guests/{HAULER}/migrate/", to="two", copy_storage="on")
    done = site.operation()
    assert (done["state"], done["message"]) == ("done", "")
    assert (site.hosts.images(2) / "hauler.img").read_bytes()[:5] == b"cargo"
    assert site.hosts.virsh(2, "domstate", "hauler").strip() == "running"
    site.hosts.virsh(2, "destroy", "hauler")
    site.wait_for_page(HAULER, "Shut off")
    off = site.admin.post(f"/guests/{HAULER}/migrate/", to="one")
    assert "Its disks do not go along" in off
    site.admin.post(f"/guests/{HAULER}/migrate/", to="one", shared="on")
    assert site.operation()["state"] == "done"
    assert "shut off" in site.hosts.virsh(1, "domstate", "hauler")
    assert 'Host</dt><dd><a href="/hosts/one/"' in site.admin.get(f"/guests/{HAULER}/")


STRETCHED = "5f3c1b0e-0000-4000-8000-0000000c0003"
STRETCHED_XML = f"""
<domain type='qemu'>
  <name>stretched</name><uuid>{STRETCHED}</uuid>
  <maxMemory slots='2' unit='MiB'>512</maxMemory><memory unit='MiB'>128</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <cpu><numa><cell id='0' cpus='0' memory='128' unit='MiB'/></numa></cpu>
</domain>
"""


@pytest.fixture
def stretched(site: Site, request: pytest.FixtureRequest) -> Iterator[None]:
    """A guest on host one with room for memory beyond its maximum; the parameter takes something out of it."""
    with site.running("stretched", STRETCHED, STRETCHED_XML.replace(getattr(request, "param", "nothing"), "")):
        yield


def plug_in(site: Site) -> dict[str, Any]:
    site.admin.post(f"/guests/{STRETCHED}/memory/plugged/plug/", model="dimm", size="128 MiB", when="now")
    return site.operation()


@pytest.mark.parametrize("stretched", ["<acpi/>"], indirect=True)
def test_a_guest_that_would_not_hear_of_more_memory_is_given_none(site: Site, stretched: None) -> None:
    refused = plug_in(site)
    assert (refused["kind"], refused["state"]) == ("plug_memory", "failed")
    assert refused["message"].startswith("stretched has no ACPI, by which a guest hears of memory that is plugged in")


def test_what_was_plugged_in_goes_along(site: Site, stretched: None) -> None:
    plugged = plug_in(site)
    assert (plugged["kind"], plugged["state"], plugged["message"]) == ("plug_memory", "done", "")
    site.admin.post(f"/guests/{STRETCHED}/migrate/", to="two")
    moved = site.operation()
    assert (moved["kind"], moved["state"], moved["message"]) == ("migrate", "done", "")
    there = ElementTree.fromstring(site.hosts.virsh(2, "dumpxml", "stretched"))
    assert there.findtext("devices/memory/target/size") == str(128 * 1024)
    assert "128 MiB" in site.admin.get(f"/guests/{STRETCHED}/memory/plugged/")
