"""Pools, volumes and an upload in Chromium: what the host has afterwards is asked of it."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.axe import findings
from tests.labs.lab import Lab

pytestmark = pytest.mark.timeout(240)
PIECE = 8 * 1024 * 1024


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


def test_a_volume_is_made_and_a_pool_is_stopped_and_forgotten(signed_in: Page, lab: Lab) -> None:
    page = signed_in
    lab.pool("spare")
    page.goto("/storage/")
    page.get_by_role("link", name="spare", exact=True).click(timeout=20_000)
    page.locator("#make-volume").click()
    page.fill("#make_volume-name", "a b")
    page.get_by_role("button", name="Make a volume in spare").click()
    expect(page.locator("#make_volume-name_error")).to_contain_text("A name has letters")
    assert not findings(page)
    page.fill("#make_volume-name", "disk.qcow2")
    page.fill("#make_volume-capacity", "1 GiB")
    page.get_by_role("button", name="Make a volume in spare").click()
    expect(page.get_by_role("row").filter(has_text="disk.qcow2")).to_contain_text("1.0 GiB")
    page.locator("#stop-pool").click()
    expect(page.locator("main")).to_contain_text("Not active")
    page.locator("#ask-forget").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert not findings(page)
    page.get_by_role("button", name="Forget it").click()
    page.wait_for_url("**/storage/")
    expect(page.get_by_role("link", name="spare", exact=True)).to_have_count(0)
    assert "spare" not in lab.virsh("pool-list", "--all", "--name").split()


def test_the_form_of_a_pool_asks_for_what_its_kind_needs(signed_in: Page) -> None:
    page = signed_in
    page.goto("/storage/hosts/lab/new/")
    for kind, asked in {"dir": {"root"}, "netfs": {"root", "server", "export"}, "logical": {"group"}}.items():
        page.select_option("#make_pool-what", kind)
        for name in ("root", "server", "export", "group"):
            expect(page.locator(f"#make_pool-{name}")).to_be_visible(visible=name in asked)
        assert not findings(page)
