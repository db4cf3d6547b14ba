"""Pools, volumes and an upload in Chromium: what the host has afterwards is asked of it."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.axe import findings
from tests.labs.lab import Lab

pytestmark = pytest.mark.timeout(240)
PIECE = 8 * 1024 * 1024


@pytest.fixture
def backup(lab: Lab) -> Iterator[str]:
    """backup-1, shut off; its definition is put back, and the pool of the test is gone."""
    guest = lab.uuid("backup-1")
    definition = lab.virsh("dumpxml", guest, "--inactive", "--security-info")
    yield guest
    with suppress(subprocess.CalledProcessError):
        lab.virsh("destroy", guest)
    lab.virsh("define", "/dev/stdin", stdin=definition)
    for word in ("pool-destroy", "pool-undefine"):
        with suppress(subprocess.CalledProcessError):
            lab.virsh(word, "spare")


def test_a_file_is_uploaded_cut_off_gone_on_with_and_its_volume_deleted(
    signed_in: Page, lab: Lab, tmp_path: Path
) -> None:
    page, directory = signed_in, lab.pool("shelf")
    file = tmp_path / "Tools for guests.iso"
    file.write_bytes((bytes(32769) + b"CD001").ljust(PIECE, b"\0") + random.Random(3).randbytes(PIECE + 4096))
    page.goto("/storage/")
    page.get_by_role("link", name="shelf", exact=True).click(timeout=20_000)
    page.locator("#upload").click()
    expect(page.get_by_role("button", name="Upload")).to_be_enabled()
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("alert")).to_have_text("Choose a file that is not empty.")
    page.set_input_files("#upload-file", file)
    expect(page.locator("#upload-name")).to_have_value("Tools-for-guests.iso")
    assert not findings(page)

    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "PUT" else None)

    def cut(route: Route) -> None:
        route.abort()

    page.route(f"**/storage/uploads/*/?offset={PIECE}", cut)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("status")).to_contain_text("The connection broke. It is tried again.")
    assert not findings(page)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_contain_text("Paused.")
    page.unroute(f"**/storage/uploads/*/?offset={PIECE}", cut)
    page.get_by_role("link", name="Back to the pool").click()
    expect(page.locator("main")).to_contain_text("8.0 MiB of 16.0 MiB")
    assert not findings(page)

    page.locator("#upload").click()
    page.set_input_files("#upload-file", file)
    sent.clear()
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url(re.compile(r"/storage/volumes/\d+/$"))
    expect(page.locator("main")).to_contain_text("Tools-for-guests.iso was uploaded.")
    assert [url.split("offset=")[1] for url in sent] == [str(PIECE), str(2 * PIECE)]
    assert (directory / "Tools-for-guests.iso").read_bytes() == file.read_bytes()
    assert not findings(page)
    with page.expect_download() as taken:
        page.locator("#download").click()
    assert Path(taken.value.path()).read_bytes() == file.read_bytes()

    page.goto("/storage/media/")
    expect(page.get_by_role("row").filter(has_text="Tools-for-guests.iso")).to_contain_text("shelf")
    assert not findings(page)
    page.get_by_role("link", name="Tools-for-guests.iso").click()
    page.fill("#delete_volume-confirm", "tools")
    page.get_by_role("button", name="Delete it").click()
    expect(page.locator("#delete_volume-confirm_error")).to_have_text("This is not its name.")
    page.fill("#delete_volume-confirm", "Tools-for-guests.iso")
    page.get_by_role("button", name="Delete it").click()
    page.wait_for_url(re.compile(r"/storage/\d+/$"))
    expect(page.locator("main")).to_contain_text("No volume here.")
    assert list(directory.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="pools are made below /var/lib/libvirt, which is not a session's")
def test_a_pool_is_made_filled_kept_while_in_use_stopped_started_and_forgotten(
    signed_in: Page, lab: Lab, backup: str
) -> None:
    page, without = signed_in, lab.virsh("dumpxml", backup, "--inactive", "--security-info")
    page.goto("/storage/")
    here = page.locator("section", has=page.get_by_role("link", name="lab", exact=True))
    here.get_by_role("link", name="Make a pool").click()
    make = page.get_by_role("button", name="Make a pool on lab")
    page.fill("[name=name]", "a b")
    make.click()
    expect(page.locator("main")).to_contain_text("A name has letters")
    page.fill("[name=name]", "spare")
    for kind, fields in (
        ("logical", {"group": "no-such-group"}),
        ("netfs", {"server": "127.0.0.1", "export": "/nowhere"}),
    ):
        page.select_option("[name=what]", kind)
        for name, text in fields.items():
            page.fill(f"[name={name}]", text)
        make.click()
        expect(page.get_by_role("alert")).to_contain_text("spare", timeout=20_000)  # the host has neither
        assert not findings(page)
        assert "spare" not in lab.virsh("pool-list", "--all", "--name").split()
    page.select_option("[name=what]", "dir")
    make.click()
    expect(page.get_by_role("heading", name="spare")).to_be_visible()
    assert "/var/lib/libvirt/pools/spare" in lab.virsh("pool-dumpxml", "spare")
    assert re.search(r"Autostart:\s+yes", lab.virsh("pool-info", "spare"))
    page.get_by_role("button", name="Do not start it with the host").click()
    expect(page.get_by_role("button", name="Start it with the host", exact=True)).to_be_visible()
    assert re.search(r"Autostart:\s+no", lab.virsh("pool-info", "spare"))

    page.locator("#make-volume").click()
    page.fill("#make_volume-name", "a b")
    page.get_by_role("button", name="Make a volume in spare").click()
    expect(page.locator("#make_volume-name_error")).to_contain_text("A name has letters")
    assert not findings(page)
    page.fill("#make_volume-name", "disk.qcow2")
    page.fill("#make_volume-capacity", "1 GiB")
    page.get_by_role("button", name="Make a volume in spare").click()
    volume = page.get_by_role("row").filter(has_text="disk.qcow2")
    expect(volume).to_contain_text("1.0 GiB")

    path = lab.virsh("vol-path", "disk.qcow2", "--pool", "spare").strip()
    lab.virsh("attach-disk", backup, path, "vdb", "--subdriver", "qcow2", "--config")
    lab.virsh("start", backup, "--paused")
    expect(volume).to_contain_text("backup-1", timeout=20_000)
    page.locator("#stop-pool").click()
    expect(page.locator("#messages")).to_contain_text("Disks of backup-1 are in it.")
    lab.virsh("destroy", backup)
    page.locator("#ask-forget").click()
    assert not findings(page)
    page.get_by_role("button", name="Forget it").click()
    expect(page.locator("#messages")).to_contain_text("Disks of backup-1 are in it.")
    lab.virsh("define", "/dev/stdin", stdin=without)
    expect(volume).not_to_contain_text("backup-1", timeout=20_000)

    page.locator("#stop-pool").click()
    expect(page.locator("main")).to_contain_text("Not active")
    page.locator("#start-pool").click()
    expect(volume).to_be_visible()
    assert re.search(r"State:\s+running", lab.virsh("pool-info", "spare"))
    page.locator("#ask-forget").click()
    page.get_by_role("button", name="Forget it").click()
    page.wait_for_url("**/storage/")
    expect(page.get_by_role("link", name="spare", exact=True)).to_have_count(0)
    assert "spare" not in lab.virsh("pool-list", "--all", "--name").split()
    assert (lab.directory / "lib" / "pools" / "spare" / "disk.qcow2").exists()  # what is in it stays
