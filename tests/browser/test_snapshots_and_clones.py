"""Snapshots, a clone and its end in Chromium, on a real guest: what libvirt has afterwards is asked of virsh."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import findings
from tests.browser.waiting import until
from tests.labs.lab import Lab

pytestmark = pytest.mark.timeout(240)
POOL, CLONE = "browser-images", "backup-2"
LINKED, COPY = "backup-linked", "backup-copy"


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
    for name in {CLONE, LINKED, COPY} & set(lab.virsh("list", "--all", "--name").split()):
        with suppress(subprocess.CalledProcessError):
            lab.virsh("destroy", name)
        lab.virsh("undefine", name)
    if lab.state("backup-1") != "shut off":
        lab.virsh("destroy", guest)
    lab.virsh("define", "/dev/stdin", stdin=definition)
    lab.virsh("pool-destroy", POOL)
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()


def open_snapshots(page: Page, guest: str) -> None:
    """The tab, once its host told of the qcow2 disk."""
    deadline = time.monotonic() + 20
    while not page.goto(f"/guests/{guest}/snapshots/") or not page.locator("input[name=name]").count():
        assert time.monotonic() < deadline, "no snapshot can be taken"
        page.wait_for_timeout(100)


def identity(lab: Lab, name: str) -> set[str]:
    """The UUID of a guest, and the MACs of its NICs."""
    root = ElementTree.fromstring(lab.virsh("dumpxml", name, "--inactive"))
    return {root.findtext("uuid", ""), *(mac.get("address", "") for mac in root.iterfind("devices/interface/mac"))}


def open_clone_form(page: Page, guest: str) -> None:
    page.goto(f"/guests/{guest}/")
    page.locator("#act-more").click()
    page.get_by_role("link", name="Clone").click()
    expect(page.get_by_role("radio", name=re.compile("^are copies"))).to_be_visible()


def delete_with_its_disk(page: Page, name: str) -> None:
    """Of the guest whose page this is, with vda and nothing else."""
    page.get_by_role("checkbox", name=re.compile(f"{name}-vda")).check()
    page.get_by_label("Type its name").fill(name)
    page.get_by_role("button", name=f"Delete {name}").click()
    expect(page.locator("#guest-header")).to_contain_text("not on its host any more")


def fits_a_phone(page: Page) -> None:
    """Nothing is wider than the screen, but what scrolls by itself."""
    page.set_viewport_size({"width": 390, "height": 844})
    until(page, "document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.set_viewport_size({"width": 1280, "height": 800})


def test_a_guest_is_kept_gone_back_to_cloned_and_its_clone_deleted(signed_in: Page, lab: Lab, backup: str) -> None:
    page = signed_in
    open_snapshots(page, backup)
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


def test_a_base_of_linked_clones_stays_as_it_is_until_they_are_deleted(signed_in: Page, lab: Lab, backup: str) -> None:
    page, why = signed_in, "Linked clones lie over vda of backup-1"
    open_snapshots(page, backup)
    page.fill("input[name=name]", "before")
    page.get_by_role("button", name="Take the snapshot").click()
    expect(page.locator("#guest-snapshot-tree")).to_contain_text("before")
    open_clone_form(page, backup)
    page.get_by_role("radio", name=re.compile("^are linked")).check()
    page.fill("input[name=name]", LINKED)
    page.get_by_role("button", name="Clone").click()
    expect(page.locator("h1")).to_have_text(LINKED)
    clone = page.url
    assert not identity(lab, LINKED) & identity(lab, "backup-1")
    below = f"{lab.host.layout().seen}/{POOL}/backup-1.qcow2"
    assert below in lab.virsh("vol-dumpxml", f"{LINKED}-vda.qcow2", "--pool", POOL)

    page.goto(f"/guests/{backup}/")
    page.locator("#act-start-stop").click()
    expect(page.locator("main")).to_contain_text(f"{why}: started, it would destroy them. Delete them first.")
    assert lab.state("backup-1") == "shut off"
    page.goto(f"/guests/{backup}/snapshots/")
    expect(page.locator("main")).to_contain_text(f"{why}, which has to stay as it is: delete them first.")
    page.get_by_role("link", name="Go back to before").click()
    expect(page.locator("main")).to_contain_text("What it is now cannot be kept as a snapshot first.")
    page.get_by_role("button", name="Go back").click()
    expect(page.locator("main")).to_contain_text("going back would destroy them")
    page.goto(f"/guests/{backup}/snapshots/before/delete/")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("main")).to_contain_text(f"{why}, which has to stay as it is: delete them first.")
    page.goto(f"/guests/{backup}/delete/")
    expect(page.locator("main")).to_contain_text(f"{why}, which has to stay as it is: delete them first.")
    expect(page.get_by_role("button", name="Delete backup-1")).to_be_disabled()
    expect(page.get_by_role("checkbox", name=re.compile("backup-1.qcow2"))).to_be_disabled()
    assert not findings(page)
    fits_a_phone(page)
    assert lab.virsh("snapshot-list", backup, "--name").split() == ["before"]

    page.goto(f"{clone}delete/")
    delete_with_its_disk(page, LINKED)
    assert lab.virsh("vol-list", POOL).split()[-2:] == ["backup-1.qcow2", below]
    page.goto(f"/guests/{backup}/delete/")
    expect(page.get_by_role("button", name="Delete backup-1")).to_be_enabled()


def test_a_guest_that_runs_is_kept_with_its_memory_and_copied_and_what_others_have_stays(
    signed_in: Page, lab: Lab, backup: str
) -> None:
    page = signed_in
    page.goto(f"/guests/{lab.uuid('web-1')}/snapshots/")
    expect(page.locator("main")).to_contain_text("inside qcow2 disks; of another format are: vda (raw).")
    expect(page.get_by_role("button", name="Take the snapshot")).to_have_count(0)
    assert not findings(page)

    open_snapshots(page, backup)
    page.locator("#act-start-stop").click()
    expect(page.locator("#guest-header")).to_contain_text("Running")
    page.goto(f"/guests/{backup}/snapshots/")
    expect(page.locator("main")).to_contain_text("For its disks alone, shut it off first.")
    page.fill("input[name=name]", "in-memory")
    page.get_by_role("button", name="Take the snapshot").click()
    row = page.locator("#guest-snapshot-tree tr", has_text="in-memory")
    expect(row).to_contain_text("disks and memory, running", timeout=30_000)
    page.get_by_role("link", name="Go back to in-memory").click()
    page.get_by_label("Take a snapshot of what it is now first").uncheck()
    page.get_by_label("is paused").check()
    page.get_by_role("button", name="Go back").click()
    expect(page.locator("#guest-header")).to_contain_text("Paused", timeout=30_000)
    assert lab.state("backup-1") == "paused"
    expect(row).to_contain_text("current")

    open_clone_form(page, backup)
    expect(page.get_by_role("radio", name=re.compile("^are linked"))).to_be_disabled()
    expect(page.locator("main")).to_contain_text("backup-1 runs, and goes on changing its disks: shut it off first.")
    assert not findings(page)
    page.fill("input[name=name]", COPY)
    page.get_by_role("button", name="Clone").click()
    expect(page.locator("h1")).to_have_text(COPY, timeout=30_000)
    clone = page.url
    assert not identity(lab, COPY) & identity(lab, "backup-1")
    assert lab.state("backup-1") == "paused"

    root = ElementTree.fromstring(lab.virsh("dumpxml", COPY))
    disk = ElementTree.fromstring(
        f"""<disk type="file" device="disk"><driver name="qemu" type="qcow2"/><target dev="vdb" bus="virtio"/>
        <source file="{lab.host.layout().seen}/{POOL}/backup-1.qcow2"/></disk>"""
    )
    devices = root.find("devices")
    assert devices is not None
    devices.append(disk)
    lab.virsh("define", "/dev/stdin", stdin=ElementTree.tostring(root, encoding="unicode"))
    page.goto(f"{clone}devices/")
    expect(page.locator("main")).to_contain_text("vdb")
    page.goto(f"{clone}delete/")
    expect(page.get_by_role("checkbox", name=re.compile("backup-1.qcow2"))).to_be_disabled()
    expect(page.locator("main")).to_contain_text("Another guest uses it, too.")
    delete_with_its_disk(page, COPY)
    assert "backup-1.qcow2" in lab.virsh("vol-list", POOL)
    assert f"{COPY}-vda" not in lab.virsh("vol-list", POOL)


SMALL = """
<domain type='qemu'>
  <name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{path}'/><target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
"""


def test_many_are_reset_kept_and_deleted_with_a_line_for_each(signed_in: Page, lab: Lab, backup: str) -> None:
    page, layout = signed_in, lab.host.layout()
    disk = layout.real / POOL / "small.img"
    disk.write_bytes(bytes(2**20))
    lab.virsh("define", "/dev/stdin", stdin=SMALL.format(name=CLONE, path=f"{layout.seen}/{POOL}/small.img"))
    lab.virsh("start", CLONE)
    page.goto("/guests/?q=backup")
    results = page.locator("#results")

    def ask(act: str) -> None:
        """In the list, of both."""
        for name in ("backup-1", CLONE):
            page.get_by_role("checkbox", name=f"Select {name}").check(timeout=20_000)
        page.get_by_role("button", name="More", exact=True).click()
        page.locator("#bulk-more").get_by_role("button", name=act).click()

    def line(name: str) -> Locator:
        return results.locator("li", has_text=name)

    expect(page.locator("tr[data-row]", has_text=CLONE)).to_contain_text("Running", timeout=20_000)
    ask("Reset")
    expect(line(CLONE)).to_be_visible()
    expect(line("backup-1")).to_have_count(0)  # it is off
    assert not findings(page)
    results.get_by_role("button", name="Reset").click()
    expect(line(CLONE)).to_contain_text("Done", timeout=20_000)

    ask("Take a snapshot")
    results.get_by_role("textbox", name="Name").fill("a b")
    results.get_by_role("button", name="Take a snapshot").click()
    expect(results.get_by_role("alert")).to_contain_text("not digits alone")
    assert not findings(page)
    results.get_by_role("textbox", name="Name").fill("nightly")
    results.get_by_role("button", name="Take a snapshot").click()
    expect(line("backup-1")).to_contain_text("Done", timeout=20_000)
    expect(line(CLONE)).to_contain_text("of another format are: vda (raw)")
    assert lab.virsh("snapshot-list", backup, "--name").split() == ["nightly"]
    lab.virsh("snapshot-delete", backup, "nightly")

    ask("Delete")
    expect(line("backup-1")).to_be_visible()
    expect(line(CLONE)).to_have_count(0)  # it runs
    results.get_by_role("button", name="Close").click()
    lab.virsh("destroy", CLONE)
    expect(page.locator("tr[data-row]", has_text=CLONE)).to_contain_text("Shut off", timeout=20_000)
    page.get_by_role("checkbox", name="Select backup-1").uncheck()
    page.get_by_role("button", name="More", exact=True).click()
    page.locator("#bulk-more").get_by_role("button", name="Delete").click()
    results.get_by_role("textbox").fill("backup-1")
    results.get_by_role("button", name="Delete").click()
    expect(results.get_by_role("alert")).to_contain_text("Type the names of all of them")
    assert not findings(page)
    results.get_by_role("textbox").fill(CLONE)
    results.get_by_role("button", name="Delete").click()
    expect(line(CLONE)).to_contain_text("Done", timeout=20_000)
    expect(page.locator("tr[data-row]", has_text=CLONE)).to_have_count(0, timeout=20_000)
    assert CLONE not in lab.virsh("list", "--all", "--name").split()
    assert disk.exists()
