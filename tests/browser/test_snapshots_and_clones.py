"""Snapshots, a clone and its end in Chromium, on a real guest: what libvirt has afterwards is asked of virsh."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings
from tests.browser.waiting import until
from tests.labs.lab import Lab

pytestmark = pytest.mark.timeout(240)
POOL, CLONE = "browser-images", "backup-2"


@pytest.fixture
def backup(lab: Lab) -> Iterator[str]:
    """backup-1, shut off, with a qcow2 disk in a pool; all of that is put back."""
    layout, guest = lab.host.layout(), lab.uuid("backup-1")
    directory = layout.real / POOL
    directory.mkdir()
    directory.chmod(0o777)
    disk = directory / "backup-1.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "8M"], check=True)
    disk.chmod(0o666)
    definition = lab.virsh("dumpxml", guest, "--inactive", "--security-info")
    root = ElementTree.fromstring(definition)
    for path, name, value in (("driver", "type", "qcow2"), ("source", "file", f"{layout.seen}/{POOL}/{disk.name}")):
        element = root.find(f"devices/disk[@device='disk']/{path}")
        assert element is not None
        element.set(name, value)
    lab.virsh("define", "/dev/stdin", stdin=ElementTree.tostring(root, encoding="unicode"))
    lab.virsh("pool-create-as", POOL, "dir", "--target", f"{layout.seen}/{POOL}")
    yield guest
    for name in lab.virsh("snapshot-list", guest, "--name").split():
        lab.virsh("snapshot-delete", guest, name, "--metadata")
    if CLONE in lab.virsh("list", "--all", "--name").split():
        lab.virsh("undefine", CLONE)
    lab.virsh("define", "/dev/stdin", stdin=definition)
    lab.virsh("pool-destroy", POOL)
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()


def fits_a_phone(page: Page) -> None:
    """Nothing is wider than the screen, but what scrolls by itself."""
    page.set_viewport_size({"width": 390, "height": 844})
    until(page, "document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.set_viewport_size({"width": 1280, "height": 800})


def test_a_guest_is_kept_gone_back_to_cloned_and_its_clone_deleted(signed_in: Page, lab: Lab, backup: str) -> None:
    page = signed_in
    page.goto(f"/guests/{backup}/")
    page.locator(".gh-tabs").get_by_role("link", name="Snapshots").click()
    for name in ("clean", "installed"):
        page.fill("input[name=name]", name)
        page.fill("textarea[name=description]", f"it is {name}")
        page.get_by_role("button", name="Take the snapshot").click()
        expect(page.locator("#guest-snapshot-tree")).to_contain_text(f"it is {name}")
    row = page.locator("#guest-snapshot-tree tr", has_text="it is installed")
    expect(row).to_contain_text("current")
    expect(row).to_contain_text("disks, shut off")
    assert not findings(page)
    fits_a_phone(page)

    page.get_by_role("link", name="Go back to clean").click()
    expect(page.locator("main")).to_contain_text("All that backup-1 wrote to its disks since then")
    assert not findings(page)
    fits_a_phone(page)
    page.get_by_label("Take a snapshot of what it is now first").uncheck()
    page.get_by_role("button", name="Go back").click()
    expect(page.locator("#guest-snapshot-tree tr", has_text="it is clean")).to_contain_text("current")
    assert lab.virsh("snapshot-current", backup, "--name").strip() == "clean"
    page.get_by_role("link", name="Delete clean").click()
    page.get_by_label("Delete those that were taken after it, too").check()
    assert not findings(page)
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#guest-snapshot-tree")).to_contain_text("This guest has no snapshot.")
    assert not lab.virsh("snapshot-list", backup, "--name").strip()

    page.locator("#act-more").click()
    page.get_by_role("link", name="Clone").click()
    expect(page.locator("main")).to_contain_text(f"{POOL}/backup-1.qcow2")
    assert not findings(page)
    fits_a_phone(page)
    page.fill("input[name=name]", CLONE)
    page.get_by_role("button", name="Clone").click()
    expect(page.locator("h1")).to_have_text(CLONE)
    expect(page.locator("main")).to_contain_text("This is backup-2, cloned from backup-1.")
    assert "backup-2-vda.qcow2" in lab.virsh("vol-list", POOL)

    page.locator("#act-more").click()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("checkbox", name=re.compile("backup-2-vda")).check()
    page.get_by_label("Type its name").fill("backup-1")
    page.get_by_role("button", name="Delete backup-2").click()
    expect(page.locator("main")).to_contain_text("This is not its name: backup-2.")
    expect(page.get_by_role("checkbox", name=re.compile("backup-2-vda"))).to_be_checked()
    assert not findings(page)
    fits_a_phone(page)
    page.get_by_label("Type its name").fill(CLONE)
    page.get_by_role("button", name="Delete backup-2").click()
    expect(page.locator("#guest-header")).to_contain_text("not on its host any more")
    assert CLONE not in lab.virsh("list", "--all")
    assert "backup-2-vda.qcow2" not in lab.virsh("vol-list", POOL)
    assert "backup-1.qcow2" in lab.virsh("vol-list", POOL)
    page.goto(f"/guests/{backup}/history/")
    page.get_by_role("link", name=CLONE).click()
    expect(page.locator("#guest-header")).to_contain_text("not on its host any more")
