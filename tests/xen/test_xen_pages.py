"""The pages of guests on a real Xen host, in Chromium: what libxl has afterwards is asked of libvirt."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from uuid import UUID

import libvirt
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from guests.hypervisor.connection import Connection
from guests.hypervisor.reading import get_guest, list_stats
from guests.resources import GuestState
from tests.browser.axe import findings
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.text_consoles import press_enter_for_a_prompt, run, wait_for
from tests.labs.product import Product
from tests.live.hypervisor_guest import until
from tests.xen.test_xen_host import DEFINITION

pytestmark = pytest.mark.timeout(900)

MIB = 1024
PAGES_PV = UUID("5f3c1b0e-0000-4000-8000-00000000aa03")
SLOW = 90_000  # milliseconds: everything there is emulated twice


@pytest.fixture(scope="module")
def pv(xen: Connection) -> Iterator[UUID]:
    """A para-virtualised guest that is shut off."""
    text = DEFINITION.replace("0000aa02", "0000aa03").replace("guesthouse-pv", "pages-pv")
    with contextlib.suppress(libvirt.libvirtError):
        xen.raw.lookupByUUIDString(str(PAGES_PV)).destroy()
    domain = xen.raw.defineXML(text)
    try:
        yield PAGES_PV
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            domain.destroy()
        domain.undefine()


@pytest.fixture(scope="module")
def product(xen_uri: str, pv: UUID) -> Iterator[Product]:
    product = Product({"xen": xen_uri})
    yield product
    product.close()


@pytest.fixture
def page(product: Product) -> Iterator[Page]:
    """The administrator's, signed in; no page may break its policy."""
    problems: list[str] = []
    flags = FLAGS + (["--no-sandbox"] if os.getuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=60_000)
        page = browser.new_context(base_url=product.url, locale="en-GB").new_page()
        page.set_default_timeout(SLOW)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if "Content Security" in said.text else None)
        page.goto("/accounts/login/")
        page.fill("input[name=login]", "admin")
        page.fill("input[name=password]", product.admin_password)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(lambda url: "/accounts/login/" not in url)
        yield page
        browser.close()
    assert not problems, problems


def test_domain_0_and_a_para_virtualised_guest_side_by_side(page: Page, xen: Connection) -> None:
    page.goto("/guests/")
    rows = page.locator("tbody tr")
    expect(rows.filter(has_text="Domain-0")).to_contain_text("privileged", timeout=SLOW)
    expect(rows.filter(has_text="pages-pv")).to_contain_text("Shut off")
    assert not findings(page)
    page.get_by_role("link", name="Domain-0", exact=True).click()
    expect(page.locator("#guest-header")).to_contain_text("privileged")
    expect(page.locator("#guest-header")).to_contain_text("00000000-0000-0000-0000-000000000000")
    for act in ("Shut down", "Force off", "Pause", "Reboot"):
        expect(page.get_by_role("button", name=act)).to_have_count(0)
    assert not findings(page)


def test_a_para_virtualised_guest_is_started_resized_typed_into_paused_and_shut_down(
    page: Page, product: Product, xen: Connection, pv: UUID
) -> None:
    address = f"/guests/{pv}/"
    state = lambda: get_guest(xen, pv).state  # noqa: E731
    page.goto(address)
    expect(page.locator("#guest-header")).to_contain_text("PV")
    page.get_by_role("button", name="Start").click()
    until(lambda: state() in {GuestState.RUNNING, GuestState.IDLE}, 60, "running")
    expect(page.locator("#guest-header")).to_contain_text(re.compile("Running|Idle"), timeout=SLOW)

    page.goto(f"{address}console/text/")
    expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=SLOW)
    wait_for(page, "is up on hvc0", 180)
    page.locator(".xterm-helper-textarea").focus()
    press_enter_for_a_prompt(page)
    run(page, "nproc", "\n1\n")

    page.goto(f"{address}resources/")
    page.fill("#memory-current", "96 MiB")
    page.locator("#memory-form [data-effect=button]").click()
    until(lambda: next(s for s in list_stats(xen) if s.uuid == pv).balloon_current_kib == 96 * MIB, 60, "96 MiB")
    expect(page.locator("#guest-memory-now")).to_contain_text("96 MiB", timeout=SLOW)
    expect(page.locator("#guest-memory-form")).to_contain_text("now 96 MiB", timeout=SLOW)  # the form is a fresh one
    page.fill("#memory-current", "1 GiB")
    page.locator("#memory-form [data-effect=button]").click()
    expect(page.locator("#memory-current-error")).to_contain_text("160 MiB", timeout=SLOW)
    page.fill("#vcpus-current", "2")
    page.locator("#vcpus-form [data-effect=button]").click()
    until(lambda: next(s for s in list_stats(xen) if s.uuid == pv).vcpus_current == 2, 60, "2 vCPUs")
    assert not findings(page)

    page.goto(f"{address}console/text/")
    expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=SLOW)
    page.locator(".xterm-helper-textarea").focus()
    press_enter_for_a_prompt(page)
    run(page, "for n in 1 2 3 4 5 6 7 8 9; do nproc; sleep 3; done | grep -m1 2", "\n2\n")

    page.goto(address)
    page.get_by_role("button", name="Pause").click()
    until(lambda: state() is GuestState.PAUSED, 60, "paused")
    expect(page.locator("#guest-header")).to_contain_text("Paused", timeout=SLOW)
    page.get_by_role("button", name="Resume").click()
    until(lambda: state() in {GuestState.RUNNING, GuestState.IDLE}, 60, "running again")
    expect(page.get_by_role("button", name="Shut down")).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Shut down").click()
    until(lambda: state() is GuestState.SHUT_OFF, 120, "shut off")
    expect(page.locator("#guest-header")).to_contain_text("Shut off", timeout=SLOW)


def test_the_hosts_page_tells_what_the_xen_host_has(page: Page) -> None:
    page.goto("/hosts/xen/")
    expect(page.locator("main")).to_contain_text("Xen")
    expect(page.locator("main")).to_contain_text("Free in the host")
    assert not findings(page)
