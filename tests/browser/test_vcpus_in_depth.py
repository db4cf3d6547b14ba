"""A guest's vCPUs in depth in Chromium, on a real guest: libvirt is asked what came of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import findings
from tests.labs.lab import Lab

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def web(lab: Lab) -> Iterator[str]:
    """web-1; its pins and its topology are as before afterwards."""
    uuid = lab.uuid("web-1")
    xml = lab.virsh("dumpxml", uuid, "--inactive")
    yield uuid
    lab.virsh("destroy", uuid)
    lab.virsh("define", "/dev/stdin", stdin=xml)


def form(page: Page, heading: str) -> Locator:
    return page.get_by_role("region", name=heading)


def test_vcpus_are_pinned_and_seen_where_they_run_and_the_topology_waits_for_a_boot(
    signed_in: Page, lab: Lab, web: str
) -> None:
    page = signed_in
    lab.wait_until_booted("web-1")
    page.goto(f"/guests/{web}/resources/")
    first = page.get_by_role("table", name="vCPUs and the host's CPUs").get_by_role("row").nth(1)
    expect(first).to_contain_text("running", timeout=15_000)
    expect(first).to_contain_text(re.compile(r"\d %"), timeout=15_000)
    assert findings(page) == []

    page.get_by_role("link", name="In depth").click()
    assert findings(page) == []
    pins = form(page, "Pinning")
    pins.get_by_label("vCPU 0", exact=True).fill("one")
    pins.get_by_role("button", name="Pin").click()
    expect(form(page, "Pinning")).to_contain_text("Name CPUs of the host like this: 0-3,7.")
    expect(form(page, "Pinning").get_by_label("vCPU 0", exact=True)).to_have_value("one")
    assert findings(page) == []
    form(page, "Pinning").get_by_label("vCPU 0", exact=True).fill("1")
    form(page, "Pinning").get_by_role("button", name="Pin").click()
    expect(page.locator("main")).to_contain_text("it was saved")
    assert re.search(r"^\s*0\s+1\s*$", lab.virsh("vcpupin", web, "--live"), re.MULTILINE)
    assert re.search(r"^\s*0\s+1\s*$", lab.virsh("vcpupin", web, "--config"), re.MULTILINE)

    topology = form(page, "Topology")
    for name, number in (("Sockets", "1"), ("Cores of a socket", "3"), ("Threads of a core", "1")):
        topology.get_by_label(name).fill(number)
    topology.get_by_role("button", name="Set the topology").click()
    expect(form(page, "Topology")).to_contain_text("4")  # they must make up the maximum
    form(page, "Topology").get_by_label("Cores of a socket").fill("4")
    form(page, "Topology").get_by_role("button", name="Set the topology").click()
    expect(page.locator("main")).to_contain_text("from the next boot on")
    assert "<topology sockets='1' dies='1' cores='4' threads='1'/>" in lab.virsh("dumpxml", web, "--inactive")
    assert "<topology" not in lab.virsh("dumpxml", web)

    # The lab's libvirt has no cgroups, as that of an ordinary user.
    form(page, "Weight and cap").get_by_label("Weight", exact=True).fill("200")
    form(page, "Weight and cap").get_by_role("button", name="Set weight and cap").click()
    expect(form(page, "Weight and cap")).to_contain_text("This host cannot weigh or cap guests")
    expect(form(page, "Weight and cap").get_by_label("Weight", exact=True)).to_have_value("200")
    assert findings(page) == []

    page.goto("/hosts/lab/cpus/")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=re.compile("^1 "))).first
    expect(row).to_contain_text("web-1 vCPU 0", timeout=15_000)
    expect(row).to_contain_text("pinned")
    assert findings(page) == []
