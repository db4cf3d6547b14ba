"""NICs and MACs in Chromium, on a real guest: what libvirt has afterwards is asked of virsh."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings
from tests.labs.lab import Lab
from tests.labs.product import Product
from tests.live.test_nics import limits_rates
from tests.live.text_client import TextClient, WebSession

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


@pytest.fixture
def web(lab: Lab) -> Iterator[str]:
    """web-1, booted; its definition is put back, and it is started anew with that next time."""
    lab.wait_until_booted("web-1")
    guest = lab.uuid("web-1")
    definition = lab.virsh("dumpxml", guest, "--inactive", "--security-info")
    yield guest
    lab.virsh("destroy", guest)
    lab.virsh("define", "/dev/stdin", stdin=definition)


def test_a_running_guest_sees_its_link_go_and_rates_hold_or_are_refused_in_words(
    signed_in: Page, product: Product, lab: Lab, web: str
) -> None:
    if "demo" not in lab.virsh("net-list", "--name").split():
        pytest.skip("NICs of a session are not changed")
    page, mac = signed_in, lab.demo_guest("web-1").mac
    session = WebSession(product.url, "admin", product.admin_password)
    session.wait_for_console(web)
    console = TextClient(session, web)
    nics = page.locator("#guest-nics")

    def change(link: bool, rate: str = "") -> None:
        page.goto(f"/guests/{web}/nics/{mac}/")
        page.get_by_role("checkbox", name="Link up").set_checked(link)
        page.fill("input[name=inbound]", rate)
        page.get_by_role("button", name="Change the NIC").click()

    def carrier_is(figure: int) -> None:
        look = f"n=$(grep -l {mac} /sys/class/net/*/address); n=${{n%/address}}; ip link set ${{n##*/}} up"
        console.type(
            f"{look}; until grep -q {figure} $n/carrier; do sleep 0.2; done; echo is-{figure}-$((40+2))\r".encode()
        )
        console.wait_for_output(f"is-{figure}-42\r\n".encode(), 30)

    try:
        console.wait_for_prompt()
        change(link=False)
        page.wait_for_url("**/devices/")
        expect(nics).to_contain_text("down")
        carrier_is(0)
        change(link=True)
        page.wait_for_url("**/devices/")
        expect(nics).not_to_contain_text("down")
        carrier_is(1)
        change(link=True, rate="1024")
        if limits_rates(lab):
            page.wait_for_url("**/devices/")
        else:
            expect(page.locator("main")).to_contain_text("The host cannot limit the rates of a NIC of web-1")
            assert not findings(page)
        inbound = "inbound.average: 1024" in lab.virsh("domiftune", web, mac)
        assert inbound is limits_rates(lab) is ("<bandwidth>" in lab.virsh("dumpxml", web, "--inactive"))
    finally:
        console.close()
