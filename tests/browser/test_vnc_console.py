"""The graphical console's page in Chromium: a picture, keys that arrive, and coming back by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.vnc_consoles import COLOURS, connected, console, press_from_menu, serial_of
from tests.browser.waiting import until
from tests.labs.lab import Lab
from tests.labs.product import Product

ADD_WATCHER = """
from django.contrib.auth.models import User
User.objects.filter(username="wanda").delete()
User.objects.create_user("wanda", password="a long enough passphrase")
"""


def test_the_screen_is_shown_and_takes_keys(signed_in: Page, lab: Lab) -> None:
    lab.wait_until_booted("web-1")
    signed_in.goto(console(lab, "web-1"))
    connected(signed_in)
    until(signed_in, f"({COLOURS})() > 1")
    expect(signed_in.locator("[data-part=size]")).to_have_text("720 × 400")
    expect(signed_in.locator("[data-part=view-only]")).to_be_hidden()
    with serial_of(lab, "web-1") as has:
        signed_in.locator(".gh-vnc canvas").click()
        # Playwright presses Shift only when told to.
        signed_in.keyboard.type("dd if=/proc/version of=/dev/tty", delay=60)
        signed_in.keyboard.press("Shift+KeyS")
        signed_in.keyboard.type("0\n", delay=60)
        assert has(b"Linux version", 20)


def test_a_browser_whose_video_decoder_never_answers_shows_the_screen(signed_in: Page, lab: Lab) -> None:
    signed_in.add_init_script(
        """window.EncodedVideoChunk = class {};
        window.VideoDecoder = class {
          static async isConfigSupported() { return { supported: true }; }
          configure() {}
          decode() {}
          flush() { return new Promise(() => {}); }
        };"""
    )
    signed_in.goto(console(lab, "web-1"))
    connected(signed_in)


def test_ctrl_alt_del_reaches_the_guest(signed_in: Page, lab: Lab) -> None:
    lab.wait_until_booted("web-1")
    signed_in.goto(console(lab, "web-1"))
    connected(signed_in)
    with serial_of(lab, "web-1") as has:
        press_from_menu(signed_in, "[data-press='control alt delete']")
        assert has(b"is up on ttyS0", 60), "the guest was not rebooted"


def test_a_guest_that_stops_and_starts_is_shown_again_by_itself(signed_in: Page, lab: Lab) -> None:
    signed_in.goto(console(lab, "web-1"))
    connected(signed_in)
    lab.virsh("destroy", lab.uuid("web-1"))
    expect(signed_in.locator("#vnc-state")).to_have_text("Guest is shut off", timeout=10_000)
    expect(signed_in.locator("#vnc-notice")).to_contain_text("web-1")
    lab.virsh("start", lab.uuid("web-1"))
    connected(signed_in)
    expect(signed_in.locator("#vnc-notice")).to_be_hidden()


def test_a_guest_that_is_shut_off_can_be_started_from_its_screen(signed_in: Page, lab: Lab) -> None:
    signed_in.goto(console(lab, "backup-1"))
    expect(signed_in.locator("#vnc-notice")).to_contain_text("backup-1 is shut off")
    signed_in.get_by_role("button", name="Start").click()
    connected(signed_in)
    until(signed_in, f"({COLOURS})() > 0")


def test_a_lost_console_server_is_waited_for(signed_in: Page, lab: Lab, product: Product) -> None:
    signed_in.goto(console(lab, "db-1"))
    connected(signed_in)
    os.kill(product.pids["consoleserver"], signal.SIGKILL)
    expect(signed_in.locator("#vnc-state")).to_have_text("Reconnecting")
    connected(signed_in)


def test_a_screen_that_does_not_greet_is_asked_for_anew(signed_in: Page, lab: Lab, product: Product) -> None:
    server = product.pids["consoleserver"]
    os.kill(server, signal.SIGSTOP)
    try:
        signed_in.goto(console(lab, "db-1"))
        expect(signed_in.locator("#vnc-state")).to_have_text("Reconnecting", timeout=20_000)
    finally:
        os.kill(server, signal.SIGCONT)
    connected(signed_in)


def test_a_watcher_looks_and_knows_it(
    new_context: Callable[..., BrowserContext], sign_in: Callable[..., None], lab: Lab, product: Product
) -> None:
    product.manage("shell", "-c", ADD_WATCHER)
    product.manage("grant", "wanda", "watcher", "--everything")
    page = new_context().new_page()
    sign_in(page, "wanda", "a long enough passphrase")
    page.goto(console(lab, "db-1"))
    connected(page)
    expect(page.locator("[data-part=view-only]")).to_be_visible()
    expect(page.locator("[data-part=mode]")).to_have_text("You watch")
    page.click("#vnc-keys summary")
    expect(page.get_by_role("button", name="Ctrl Alt Del")).to_be_disabled()
    product.manage("grant", "wanda", "watcher", "--everything", "--revoke")
    expect(page.locator("#vnc-state")).to_have_text("Ended", timeout=5_000)
    expect(page.locator("#vnc-notice")).to_contain_text("You may not use this console any more.")


def test_the_keyboard_leads_out_of_the_screen(signed_in: Page, lab: Lab) -> None:
    signed_in.goto(console(lab, "db-1"))
    connected(signed_in)
    signed_in.locator(".gh-vnc canvas").click()
    signed_in.keyboard.press("Control+Shift+Escape")
    expect(signed_in.locator("#vnc-back")).to_be_focused()
