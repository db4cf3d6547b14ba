"""Snapshots of a real guest: it writes something, goes back, and it is as it was; in its memory and on its disk."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree

import libvirt
import pytest

from guests.hypervisor.connection import Connection, open_connection
from tests.labs.lab import Lab
from tests.labs.product import Product
from tests.live.hypervisor_guest import own_guest, until
from tests.live.text_client import TextClient, WebSession

pytestmark = pytest.mark.timeout(240)

# Not at the beginning: there the demo guests write all the time.
WRITE = b" | dd of=/dev/vda bs=1M seek=1 conv=fsync 2>/dev/null; "
READ = b"dd if=/dev/vda bs=1M skip=1 count=1 2>/dev/null | head -c 5; "


@pytest.fixture
def connection(lab: Lab) -> Iterator[Connection]:
    connection = open_connection(lab.uri)
    yield connection
    connection.close()


@pytest.fixture
def disk(lab: Lab) -> Iterator[Path]:
    """A qcow2 disk, as this process sees it."""
    path = lab.host.layout().real / "snap-1.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "16M"], check=True)
    path.chmod(0o666)
    yield path
    path.unlink()


@pytest.fixture
def guest(lab: Lab, connection: Connection, disk: Path) -> Iterator[UUID]:
    """snap-1 runs, with that disk."""
    with own_guest(connection, "snap-1") as uuid:
        domain = connection.raw.lookupByUUIDString(str(uuid))
        root = ElementTree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        devices = root.find("devices")
        assert devices is not None
        devices.append(
            ElementTree.fromstring(f"""
            <disk type="file" device="disk"><driver name="qemu" type="qcow2"/>
              <source file="{lab.host.layout().seen / disk.name}"/><target dev="vda" bus="virtio"/></disk>""")
        )
        connection.raw.defineXML(ElementTree.tostring(root, encoding="unicode"))
        domain.create()
        yield uuid
        for snapshot in domain.listAllSnapshots():
            snapshot.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)


def in_disk(path: Path) -> str:
    """The snapshots in a disk as QEMU lists them."""
    command = ["qemu-img", "snapshot", "-U", "-l", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wait_for_page(session: WebSession, path: str, words: str, seconds: float = 60) -> str:
    deadline = time.monotonic() + seconds
    while words not in (page := session.get(path)):
        assert time.monotonic() < deadline, f"{words!r} was not on {path}"
        time.sleep(0.2)
    return page


def test_a_guest_goes_back_in_memory_and_on_disk(
    product: Product, lab: Lab, connection: Connection, guest: UUID, disk: Path
) -> None:
    session = WebSession(product.url, "admin", product.admin_password)
    path = f"/guests/{guest}/snapshots/"
    until(lambda: f"/guests/{guest}/" in session.get("/guests/"), 20, "the guest in the list")
    domain = connection.raw.lookupByUUIDString(str(guest))

    session.wait_for_console(str(guest))
    console = TextClient(session, str(guest))
    try:
        console.wait_for_prompt()
        console.type(b"echo first" + WRITE + b"word=one-$((1+1)); echo $word\r")
        console.wait_for_output(b"one-2\r\n")
        session.post(f"{path}take/", name="clean", description="nothing happened yet")
        wait_for_page(session, path, "disks and memory, running")
        assert "clean" in in_disk(disk)
        assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING

        console.type(b"echo secnd" + WRITE + b"word=two; " + READ + b"echo -$word\r")
        console.wait_for_output(b"secnd-two\r\n")
        session.post(f"{path}clean/revert/", then="as-it-was", first="on")
        until(lambda: domain.snapshotCurrent().getName() == "clean", 30, "clean is current again")
        until(lambda: domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING, 20, "it goes on")
        console.wait(lambda: console.state == "live", 30)
        console.type(b"echo 3 > /proc/sys/vm/drop_caches; " + READ + b"echo -$word\r")
        console.wait_for_output(b"first-one-2\r\n", 30)
    finally:
        console.close()

    page = wait_for_page(session, path, "taken after clean")
    assert page.count("gh-depth-1") == 1
    session.post(f"{path}clean/delete/", children="on")
    wait_for_page(session, path, "This guest has no snapshot.")
    assert in_disk(disk) == ""

    domain.destroy()
    wait_for_page(session, path, "as they are while it is shut off")
    session.post(f"{path}take/", name="off")
    wait_for_page(session, path, "disks, shut off")
    session.post(f"{path}off/revert/", then="running")
    until(domain.isActive, 30, "it boots after going back")
    assert "Snapshots are kept inside qcow2 disks" in session.get(f"/guests/{lab.uuid('backup-1')}/snapshots/")
