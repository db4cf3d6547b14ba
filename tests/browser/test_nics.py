"""NICs and MACs in Chromium, on a real guest: what libvirt has afterwards is asked of virsh."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings
from tests.labs.lab import Lab

pytestmark = pytest.mark.timeout(240)


def macs(lab: Lab, guest: str, *more: str) -> list[str]:
    return re.findall(r"mac address='([0-9a-f:]+)'", lab.virsh("dumpxml", guest, *more))


@pytest.fixture
def backup(lab: Lab) -> Iterator[str]:
    """backup-1, shut off; its definition is put back."""
    guest = lab.uuid("backup-1")
    definition = lab.virsh("dumpxml", guest, "--inactive", "--security-info")
    yield guest
    lab.virsh("define", "/dev/stdin", stdin=definition)


def test_a_nic_is_added_refused_and_a_duplicate_made_by_virsh_is_mended(signed_in: Page, lab: Lab, backup: str) -> None:
    page, guest, other = signed_in, backup, lab.uuid("web-1")
    page.goto(f"/guests/{guest}/devices/")
    page.get_by_role("link", name="Add a NIC").click()
    page.fill("input[name=mac]", "01:00:5e:00:00:01")
    page.get_by_role("button", name="Add the NIC").click()
    expect(page.locator("#add_nic-mac_error")).to_contain_text("an address of a group")
    expect(page.locator("input[name=mac]")).to_have_value("01:00:5e:00:00:01")
    assert not findings(page)
    page.fill("input[name=mac]", macs(lab, other)[0])
    page.get_by_role("button", name="Add the NIC").click()
    expect(page.locator("#add_nic-mac_error")).to_contain_text("Another guest has this MAC already")
    page.fill("input[name=mac]", "")
    page.get_by_role("button", name="Add the NIC").click()
    page.wait_for_url("**/devices/")
    new = macs(lab, guest, "--inactive")[-1]
    assert len(macs(lab, guest, "--inactive")) == 2
    expect(page.locator("#guest-nics")).to_contain_text(new)

    lab.virsh("define", "/dev/stdin", stdin=lab.virsh("dumpxml", guest, "--inactive").replace(new, macs(lab, other)[0]))
    expect(page.locator("#guest-header")).to_contain_text("duplicate MAC", timeout=15_000)  # by the event, and live
    page.goto("/macs/")
    expect(page.locator("main")).to_contain_text("Give backup-1 another")
    assert not findings(page)
    page.get_by_role("link", name="Give backup-1 another").click()
    page.fill("input[name=mac]", "52:54:00:6d:65:6e")
    page.get_by_role("button", name="Change the NIC").click()
    page.wait_for_url("**/devices/")
    expect(page.locator("#guest-header")).not_to_contain_text("duplicate MAC")
    assert "52:54:00:6d:65:6e" in macs(lab, guest, "--inactive")
    page.goto("/networks/")
    assert not findings(page)
