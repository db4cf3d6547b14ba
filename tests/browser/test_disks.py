"""Disks and media in Chromium, on a real guest that sees them: what it sees is asked at its own text console."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings
from tests.labs.block_device import BlockDevice, block_device
from tests.labs.lab import Lab
from tests.labs.product import Product
from tests.live.text_client import TextClient, WebSession

pytestmark = pytest.mark.timeout(240)

POOL = "<pool type='dir'><name>disks</name><target><path>{}/disks</path></target></pool>"
BLOCKS = """
<pool type='disk'>
  <name>blocks</name>
  <source><device path='{}'/><format type='dos'/></source>
  <target><path>/dev</path></target>
</pool>
"""
ISO = "<volume><name>{}.iso</name><capacity unit='MiB'>{}</capacity><target><format type='raw'/></target></volume>"


def source(lab: Lab, guest: str, target: str, *more: str) -> str | None:
    """Where libvirt says that a disk is; None where the guest has no such disk, "" for an empty drive."""
    for disk in ElementTree.fromstring(lab.virsh("dumpxml", guest, *more)).iterfind("devices/disk"):
        if (found := disk.find("target")) is not None and found.get("dev") == target:
            stored = disk.find("source")
            return "" if stored is None else stored.get("file") or stored.get("dev", "")
    return None


@pytest.fixture
def pool(lab: Lab) -> Iterator[str]:
    """A pool with two CD images; the CD-ROM drive of web-1 has its first medium again afterwards."""
    layout, web = lab.host.layout(), lab.uuid("web-1")
    (layout.real / "disks").mkdir(exist_ok=True)
    (layout.real / "disks").chmod(0o755)
    lab.virsh("pool-define", "/dev/stdin", stdin=POOL.format(layout.seen))
    lab.virsh("pool-start", "disks")
    for name, mib in (("one", 2), ("two", 3)):
        lab.virsh("vol-create", "disks", "/dev/stdin", stdin=ISO.format(name, mib))
    medium = source(lab, web, "hda", "--inactive") or ""
    yield str(layout.seen / "disks")
    lab.virsh("change-media", web, "hda", medium, "--update", "--force", "--live", "--config")
    for name in lab.virsh("vol-list", "disks").split()[::2]:
        lab.virsh("vol-delete", name, "disks")
    lab.virsh("pool-destroy", "disks")
    lab.virsh("pool-undefine", "disks")


@pytest.fixture
def blocks(lab: Lab) -> Iterator[BlockDevice]:
    """A pool of block devices, with one partition; web-1 has no vdb afterwards."""
    with block_device(lab.directory / "blocks.img") as device:
        lab.virsh("pool-define", "/dev/stdin", stdin=BLOCKS.format(device.path))
        lab.virsh("pool-start", "blocks")
        yield device
        for scope in ("--live", "--config"):
            with suppress(subprocess.CalledProcessError):
                lab.virsh("detach-disk", lab.uuid("web-1"), "vdb", scope)
        lab.virsh("pool-destroy", "blocks")
        lab.virsh("pool-undefine", "blocks")


@pytest.fixture
def console(lab: Lab, product: Product) -> Iterator[TextClient]:
    """The text console of web-1, at a prompt."""
    lab.wait_until_booted("web-1")
    session = WebSession(product.url, "admin", product.admin_password)
    session.wait_for_console(lab.uuid("web-1"))
    console = TextClient(session, lab.uuid("web-1"))
    console.wait_for_prompt()
    yield console
    console.close()


def said(console: TextClient, command: str, answer: str) -> None:
    """Ask the guest until it says so."""
    console.type(f"until {command} | grep -q '^{answer}$'; do sleep 0.2; done; echo it-$((40+2))\r".encode())
    console.wait_for_output(b"it-42\r\n", 30)


def test_a_disk_is_made_seen_grown_and_taken_out_and_refused_to_a_second_guest(
    signed_in: Page, lab: Lab, pool: str, console: TextClient
) -> None:
    page, guest, other = signed_in, lab.uuid("web-1"), lab.uuid("backup-1")
    page.goto(f"/guests/{guest}/devices/")
    page.get_by_role("link", name="Add a disk").click()
    new = page.locator("section", has=page.get_by_role("heading", name="On a new empty volume"))
    expect(new).to_contain_text("disks")
    assert not findings(page)
    new.get_by_label("Size").fill("lots")
    new.get_by_role("button", name="Make it and add the disk").click()
    expect(page.locator("#new_disk-size_error")).to_contain_text("Type a size with its unit")
    expect(new.get_by_label("Size")).to_have_value("lots")
    new.get_by_label("Size").fill("8 MiB")
    new.get_by_role("button", name="Make it and add the disk").click()
    page.wait_for_url("**/devices/")
    expect(page.locator("#guest-disks")).to_contain_text("web-1-disk1.qcow2")
    said(console, "cat /sys/block/vdb/size", "16384")
    for definition in ([], ["--inactive"]):
        assert source(lab, guest, "vdb", *definition) == f"{pool}/web-1-disk1.qcow2"

    page.goto(f"/guests/{other}/disks/add/")
    volume = page.locator("#add_disk-volume")
    volume.select_option(label=next(t for t in volume.locator("option").all_inner_texts() if "web-1-disk1" in t))
    page.get_by_role("button", name="Add the disk", exact=True).click()
    expect(page.locator("#add_disk-volume_error")).to_contain_text("Another guest uses this volume")
    assert not findings(page)
    assert source(lab, other, "vdb", "--inactive") is None

    page.goto(f"/guests/{guest}/disks/vdb/")
    expect(page.locator("main")).to_contain_text("web-1-disk1.qcow2 in the pool disks")
    assert not findings(page)
    page.get_by_label("New size").fill("4 MiB")
    page.get_by_role("button", name="Grow").click()
    expect(page.locator("#grow_disk-size_error")).to_contain_text("can only become larger")
    page.get_by_label("New size").fill("24 MiB")
    page.get_by_role("button", name="Grow").click()
    page.wait_for_url("**/devices/")
    said(console, "cat /sys/block/vdb/size", "49152")

    page.goto(f"/guests/{guest}/disks/vdb/")
    page.get_by_role("button", name="Take out vdb").click()
    page.wait_for_url("**/devices/")
    expect(page.locator("#guest-disks")).not_to_contain_text("vdb", timeout=20_000)
    said(console, "ls /sys/block | grep -c vdb", "0")
    assert source(lab, guest, "vdb") is None
    assert "web-1-disk1.qcow2" in lab.virsh("vol-list", "disks")

    # A guest that is off: what nobody has any more becomes its disk, and its volume grows.
    page.goto(f"/guests/{other}/disks/add/")
    volume.select_option(label=next(t for t in volume.locator("option").all_inner_texts() if "web-1-disk1" in t))
    page.get_by_role("button", name="Add the disk", exact=True).click()
    page.wait_for_url("**/devices/")
    page.goto(f"/guests/{other}/disks/vdb/")
    page.get_by_label("New size").fill("40 MiB")
    page.get_by_role("button", name="Grow").click()
    page.wait_for_url("**/devices/")
    assert "41943040" in lab.virsh("vol-info", "web-1-disk1.qcow2", "disks", "--bytes")
    page.goto(f"/guests/{other}/disks/vdb/")
    page.get_by_role("button", name="Take out vdb").click()
    page.wait_for_url("**/devices/")
    assert source(lab, other, "vdb", "--inactive") is None


def test_a_block_device_of_the_host_becomes_a_disk_and_is_written_by_its_guest(
    signed_in: Page, lab: Lab, blocks: BlockDevice, console: TextClient
) -> None:
    page, guest, other = signed_in, lab.uuid("web-1"), lab.uuid("backup-1")
    name = blocks.partition.rpartition("/")[2]

    def add_to(which: str) -> None:
        page.goto(f"/guests/{which}/disks/add/")
        volume = page.locator("#add_disk-volume")
        volume.select_option(label=next(t for t in volume.locator("option").all_inner_texts() if name in t))
        page.get_by_role("button", name="Add the disk", exact=True).click()

    page.goto("/storage/")
    page.get_by_role("link", name="blocks", exact=True).click(timeout=20_000)
    expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("16.0 MiB")
    assert not findings(page)
    add_to(guest)
    page.wait_for_url("**/devices/")
    expect(page.locator("#guest-disks")).to_contain_text(name)
    said(console, "cat /sys/block/vdb/size", str(blocks.partition_bytes // 512))
    for definition in ([], ["--inactive"]):
        assert source(lab, guest, "vdb", *definition) == blocks.partition
    assert "cache='none'" in lab.virsh("dumpxml", guest)
    console.type(b"echo cargo >/dev/vdb; sync; echo written-$((40+2))\r")
    console.wait_for_output(b"written-42\r\n", 30)
    with blocks.file.open("rb") as file:
        file.seek(blocks.begin)
        assert file.read(6) == b"cargo\n"
    add_to(other)
    expect(page.locator("#add_disk-volume_error")).to_contain_text("Another guest uses this volume")
    page.goto(f"/guests/{guest}/disks/vdb/")
    expect(page.locator("main")).to_contain_text(f"{name} in the pool blocks")
    page.get_by_role("button", name="Take out vdb").click()
    page.wait_for_url("**/devices/")
    expect(page.locator("#guest-disks")).not_to_contain_text("vdb", timeout=20_000)
    assert source(lab, guest, "vdb") is None


def test_a_medium_is_put_in_and_a_locked_tray_opens_by_force(
    signed_in: Page, lab: Lab, pool: str, console: TextClient
) -> None:
    page, guest = signed_in, lab.uuid("web-1")

    def put_in(name: str) -> None:
        page.goto(f"/guests/{guest}/disks/hda/")
        medium = page.locator("#change_medium-volume")
        medium.select_option(label=next(t for t in medium.locator("option").all_inner_texts() if name in t))
        page.get_by_role("button", name="Put it in", exact=True).click()

    put_in("one.iso")
    page.wait_for_url("**/devices/")
    assert source(lab, guest, "hda") == f"{pool}/one.iso"
    # The kernel looks for the medium when somebody opens the drive; whoever holds it open locks the tray.
    console.type(b"until exec 5</dev/sr0; do sleep 0.2; done; echo it-$((40+2))\r")
    console.wait_for_output(b"it-42\r\n", 30)
    said(console, "cat /sys/block/sr0/size", "4096")

    put_in("two.iso")
    expect(page.locator("#disk-medium [role=alert]")).to_contain_text("holds the tray of hda locked")
    expect(page.locator("#change_medium-volume option:checked")).to_contain_text("two.iso")
    assert not findings(page)
    assert source(lab, guest, "hda") == source(lab, guest, "hda", "--inactive") == f"{pool}/one.iso"
    page.get_by_role("button", name="Eject the medium").click()
    expect(page.locator("#disk-eject [role=alert]")).to_contain_text("holds the tray of hda locked")
    page.get_by_role("button", name="Eject by force").click()
    page.wait_for_url("**/devices/")
    assert source(lab, guest, "hda") == source(lab, guest, "hda", "--inactive") == ""
    expect(page.locator("#guest-disks")).to_contain_text("empty")
    assert not findings(page)
    page.goto("/operations/")
    expect(page.locator("main")).to_contain_text(re.compile("Eject a medium"))
