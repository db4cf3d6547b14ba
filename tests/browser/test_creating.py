"""A guest from the form to its console, in Chromium, on the lab's host."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings
from tests.labs.lab import Lab

pytestmark = pytest.mark.timeout(240)
NAME, POOL = "fresh-1", "fresh"


@pytest.fixture
def pool(lab: Lab) -> Iterator[Lab]:
    """The lab with a pool that holds kernel and initrd of its guests; the new guest is gone at the end."""
    lab.virsh("pool-create-as", POOL, "dir", "--target", str(lab.host.layout().seen))
    yield lab
    for words in (("destroy", NAME), ("undefine", NAME), ("vol-delete", f"{NAME}.qcow2", "--pool", POOL)):
        with suppress(subprocess.CalledProcessError):
            lab.virsh(*words)
    lab.virsh("pool-destroy", POOL)


def test_from_the_form_to_a_running_guest_with_its_console_open(signed_in: Page, pool: Lab) -> None:
    page = signed_in
    page.goto("/guests/")
    page.get_by_role("link", name="New guest").click()
    expect(page.get_by_role("heading", name="New guest")).to_be_visible()
    assert not findings(page)
    page.fill("input[name=name]", "../evil")
    page.get_by_label("A kernel and an initrd").check()
    expect(page.locator("select[name=kernel]")).to_be_visible()
    expect(page.locator("input[name=name]")).to_have_value("../evil")  # what was typed stays
    kernel = page.locator("select[name=kernel] option", has_text="vmlinuz")
    page.select_option("select[name=kernel]", kernel.get_attribute("value"))
    initrd = page.locator("select[name=initrd] option", has_text="initrd.gz")
    page.select_option("select[name=initrd]", initrd.get_attribute("value"))
    page.fill("input[name=cmdline]", f"console=ttyS0 console=tty1 quiet guest={NAME}")
    page.fill("input[name=memory]", "192 MiB")
    page.fill("input[name=maximum]", "256 MiB")
    page.fill("input[name=size]", "32 MiB")
    page.select_option(
        "select[name=pool]", page.locator("select[name=pool] option", has_text=POOL).get_attribute("value")
    )
    page.get_by_role("button", name="Create the guest").click()
    expect(page.locator("#id_name_error")).to_contain_text("no letter or digit")
    assert not findings(page)
    page.fill("input[name=name]", NAME)
    if page.locator("input[name=accept]").count():
        page.check("input[name=accept]")
    page.get_by_role("button", name="Create the guest").click()
    page.wait_for_url("**/console/text/**", timeout=30_000)
    expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=30_000)
    expect(page.locator(".xterm-rows")).to_contain_text(f"guest {NAME} is up on ttyS0", timeout=60_000)
    assert pool.virsh("domstate", NAME).strip() == "running"
