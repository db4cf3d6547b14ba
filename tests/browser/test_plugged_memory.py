"""Memory beyond the maximum in Chromium, on a real guest: libvirt is asked what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import findings
from tests.labs.lab import Lab

pytestmark = pytest.mark.timeout(150)


@pytest.fixture
def web(lab: Lab) -> Iterator[str]:
    """web-1; without room and what was plugged in afterwards."""
    uuid = lab.uuid("web-1")
    xml = lab.virsh("dumpxml", uuid, "--inactive")
    yield uuid
    lab.virsh("destroy", uuid)
    lab.virsh("define", "/dev/stdin", stdin=xml)


def card(page: Page, heading: str) -> Locator:
    return page.get_by_role("region", name=heading)


def device(page: Page, kind: str) -> Locator:
    return card(page, "Memory beyond the maximum").get_by_role("row").filter(has_text=kind)


def test_room_is_made_and_memory_comes_and_goes_while_the_guest_runs(signed_in: Page, lab: Lab, web: str) -> None:
    page = signed_in
    page.goto(f"/guests/{web}/resources/")
    expect(card(page, "Memory beyond the maximum")).to_contain_text("There is no room")
    page.get_by_role("link", name="Plug in or take out").click()
    room = card(page, "Room for more memory")
    room.get_by_label("Room up to").fill("600 MiB")
    room.get_by_role("button", name="Make room").click()
    expect(room).to_contain_text("It has 512 MiB already: 640 MiB at least.")
    expect(room.get_by_label("Room up to")).to_have_value("600 MiB")
    assert findings(page) == []
    room.get_by_label("Room up to").fill("2 GiB")
    room.get_by_role("button", name="Make room").click()
    expect(page.locator("main")).to_contain_text("This is so from the next boot on")
    expect(card(page, "Memory beyond the maximum")).to_contain_text("there is room for 2.0 GiB, in 8 slots")

    lab.virsh("destroy", web)
    lab.virsh("start", web)
    lab.wait_until_booted("web-1")
    expect(card(page, "Memory beyond the maximum")).to_contain_text("8 of 8 slots are free", timeout=15_000)
    page.reload()
    plug = card(page, "Plug in memory")
    plug.get_by_label("Size").fill("100 MiB")
    plug.get_by_role("button", name="Plug in").click()
    expect(plug).to_contain_text("Memory is plugged in by multiples of 128 MiB.")
    expect(plug.get_by_label("Size")).to_have_value("100 MiB")
    plug.get_by_label("Size").fill("128 MiB")
    plug.get_by_role("button", name="Plug in").click()
    expect(device(page, "DIMM")).to_contain_text("128 MiB", timeout=15_000)
    plug.get_by_label("Kind").select_option("virtio-mem")
    plug.get_by_label("Size").fill("256 MiB")
    plug.get_by_label("Of it at once").fill("64 MiB")
    plug.get_by_role("button", name="Plug in").click()
    expect(device(page, "virtio-mem").get_by_role("cell")).to_have_text(["256 MiB", "64 MiB", "64 MiB"], timeout=15_000)
    live = ElementTree.fromstring(lab.virsh("dumpxml", web))
    assert [m.get("model") for m in live.iterfind("devices/memory")] == ["dimm", "virtio-mem"]
    for width in (1440, 390):
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert findings(page) == [], (width, scheme)
    page.set_viewport_size({"width": 1440, "height": 900})

    parts = card(page, "virtio-mem")
    parts.get_by_label("The guest should have").fill("128 MiB")
    parts.get_by_role("button", name="Ask the guest").click()
    expect(device(page, "virtio-mem").get_by_role("cell")).to_have_text(
        ["256 MiB", "128 MiB", "128 MiB"], timeout=15_000
    )
    card(page, "DIMM").get_by_role("button", name="Take it out").click()
    expect(device(page, "DIMM")).to_have_count(0, timeout=20_000)
    assert "model='dimm'" not in lab.virsh("dumpxml", web)
    expect(card(page, "Recent operations")).to_contain_text("virtio-mem 256 MiB, 64 MiB of it")
