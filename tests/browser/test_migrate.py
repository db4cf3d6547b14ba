"""The form that migrates a guest and the tab "Settings", in Chromium, between two real hosts."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings
from tests.labs.product import Product
from tests.labs.two_hosts import TwoHosts

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(os.geteuid() != 0, reason="bridges and network namespaces need root"),
]
ROVER = "5f3c1b0e-0000-4000-8000-0000000c0003"
ROVER_XML = f"""
<domain type='qemu'>
  <name>rover</name><uuid>{ROVER}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices><interface type='user'><mac address='52:54:00:0c:00:03'/></interface></devices>
</domain>
"""


@pytest.fixture(scope="module")
def product(two_hosts: TwoHosts) -> Iterator[Product]:
    """Over both hosts; rover runs on host one."""
    two_hosts.virsh(1, "define", "/dev/stdin", stdin=ROVER_XML)
    two_hosts.virsh(1, "start", "rover")
    product = Product({"one": two_hosts.uri(1), "two": two_hosts.uri(2), "spare": "test:///default"})
    yield product
    product.close()
    for host in (1, 2):
        for word in ("destroy", "undefine"):
            with suppress(subprocess.CalledProcessError):
                two_hosts.virsh(host, word, "rover")


def test_somebody_migrates_a_guest(signed_in: Page, two_hosts: TwoHosts) -> None:
    page = signed_in
    page.goto(f"/guests/{ROVER}/")
    page.get_by_label("More actions").click()
    page.get_by_role("link", name="Migrate").click()
    expect(page.get_by_role("radio", name=re.compile("two"))).to_be_checked()  # the only one that fits
    expect(page.get_by_role("radio", name=re.compile("spare"))).to_be_disabled()
    expect(page.get_by_text("It runs Test guests, rover is one of QEMU.")).to_be_visible()
    assert findings(page) == []
    page.get_by_role("button", name="Migrate").click()
    expect(page.locator("#guest-header a", has_text=re.compile("^two$"))).to_be_visible(timeout=20_000)
    assert two_hosts.virsh(2, "domstate", "rover").strip() == "running"


def test_settings_are_changed_in_their_tab(signed_in: Page, two_hosts: TwoHosts) -> None:
    page = signed_in
    page.goto(f"/guests/{ROVER}/settings/")
    page.locator("#describe-title").fill("Rover & co")
    page.get_by_role("button", name="Save the description").click()
    expect(page.locator("#messages")).to_contain_text("rover: it was saved.")
    expect(page.locator("#describe-title")).to_have_value("Rover & co")
    page.locator("#rename-name").fill("rover")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_text("This is its name already.")).to_be_visible()
    assert findings(page) == []
