"""What a new user does first, in one go, on real guests: the promise of the README."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.test_text_console import press_enter_for_a_prompt, wait_for
from tests.browser.waiting import until
from tests.labs.lab import Lab

pytestmark = pytest.mark.timeout(300)
MIB = 1024


def test_the_first_hour(
    lab: Lab, signed_in: Page, new_context: Callable[..., BrowserContext], sign_in: Callable[..., None]
) -> None:
    lab.wait_until_booted("web-1")
    web = lab.uuid("web-1")

    # Three guests that move.
    signed_in.goto("/guests/")
    rows = signed_in.locator("tbody tr[data-row]")
    expect(rows).to_have_count(3)
    running = signed_in.locator(f"#row-{web}")
    expect(running.locator(".c-state")).to_have_text("Running")
    expect(running.locator(".c-cpu")).to_contain_text("%")
    expect(signed_in.locator("tbody tr", has_text="backup-1").locator(".c-state")).to_have_text("Shut off")

    # Grow one's memory and watch the balloon arrive.
    signed_in.goto(f"/guests/{web}/resources/")
    signed_in.fill("#memory-current", "384 MiB")
    signed_in.locator("#memory-form [data-effect=button]").click()
    expect(signed_in.locator("#guest-memory-form")).to_contain_text("now 384 MiB", timeout=20_000)
    assert lab.balloon("web-1")["actual"] == 384 * MIB

    # Set vCPUs and see nproc change, in the text console, from two browsers.
    signed_in.fill("#vcpus-current", "3")
    signed_in.locator("#vcpus-form [data-effect=button]").click()
    expect(signed_in.locator("#guest-vcpus-now")).to_contain_text("3 of 4", timeout=20_000)
    first, second = signed_in, new_context().new_page()
    sign_in(second)
    for page in (first, second):
        page.goto(f"/guests/{web}/console/text/")
        expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=30_000)
    press_enter_for_a_prompt(first)
    first.keyboard.type("until [ $(nproc) = 3 ]; do sleep 1; done; echo vcpus-$(nproc)\n")
    wait_for(second, "vcpus-3")
    second.keyboard.type("echo second-$((40+2))\n")
    wait_for(first, "second-42")

    # The graphical console has a picture.
    second.goto(f"/guests/{web}/console/vnc/")
    expect(second.locator("#vnc-state")).to_have_text("Connected", timeout=20_000)
    until(second, "document.querySelector('.gh-vnc canvas').width > 600")


@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGKILL, 3.0), (signal.SIGSTOP, 20.0)])
def test_a_host_that_goes_away_is_marked_the_list_stays_quick_and_all_returns(
    lab: Lab, signed_in: Page, number: signal.Signals, seconds: float
) -> None:
    lab.wait_until_booted("web-1")
    row = f"#row-{lab.uuid('web-1')}"
    signed_in.goto("/guests/")
    expect(signed_in.locator("html")).to_have_attribute("data-live", "live")
    expect(signed_in.locator(f"{row} .c-state")).to_have_text("Running")
    lab.stop_libvirtd(number)
    expect(signed_in.locator(f"{row} .c-state")).to_have_text("Unknown", timeout=seconds * 1000)
    expect(signed_in.get_by_text("does not answer").first).to_be_visible()
    for _ in range(5):
        began = time.monotonic()
        assert signed_in.request.get("/guests/").ok
        assert time.monotonic() - began < 1.0  # a page that waited for the host would take many
    lab.start_libvirtd()
    expect(signed_in.locator(f"{row} .c-state")).to_have_text("Running", timeout=20_000)
    expect(signed_in.get_by_text("does not answer")).to_have_count(0, timeout=20_000)
