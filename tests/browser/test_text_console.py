"""The text console's page in Chromium, on a real guest."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from deploy.demo.processes import process
from tests.browser.text_consoles import press_enter_for_a_prompt, wait_for
from tests.labs.lab import Lab
from tests.labs.product import Product

pytestmark = pytest.mark.timeout(240)


def test_two_browsers_type_on_one_guest_and_see_the_same(open_console: Callable[..., Page]) -> None:
    first, second = open_console(), open_console()
    press_enter_for_a_prompt(first)
    first.keyboard.type("echo first-$((40+2))\n")
    wait_for(first, "first-42")
    wait_for(second, "first-42")
    second.keyboard.type("echo second-$((40+3))\n")
    wait_for(second, "second-43")
    wait_for(first, "second-43")
    assert first.title().startswith("web-1, text console")
    colours = first.evaluate("getComputedStyle(document.querySelector('.xterm-rows')).color")
    background = first.evaluate("getComputedStyle(document.querySelector('#stage')).backgroundColor")
    assert colours != background  # without the nonce of its styles xterm.js draws black on black


def test_colours_of_the_guest_break_no_policy(open_console: Callable[..., Page]) -> None:
    page = open_console()
    press_enter_for_a_prompt(page)
    page.keyboard.type("printf '\\033[38;2;250;10;20mtrue\\033[0m-colour\\n'\n")
    wait_for(page, "\ntrue-colour")
    assert page.evaluate(
        "[...document.querySelectorAll('.xterm-rows span')].some(s => getComputedStyle(s).color === 'rgb(250, 10, 20)')"
    )


def test_hostile_output_reaches_nothing_outside_the_terminal(open_console: Callable[..., Page]) -> None:
    page = open_console()
    press_enter_for_a_prompt(page)
    title, clipboard, link = (
        "\\033]0;owned\\007",
        "\\033]52;c;b3duZWQ=\\007",
        "\\033]8;;http://evil.example\\007link\\033]8;;\\007",
    )
    page.keyboard.type(f"printf '{title}{clipboard}{link}-d%s\\n' one\n")
    wait_for(page, "link-done")
    assert "owned" not in page.title()
    assert page.locator(".xterm-rows a").count() == 0


def test_the_keyboard_leaves_the_terminal(open_console: Callable[..., Page]) -> None:
    page = open_console()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "xterm-helper-textarea"
    page.keyboard.press("Control+Shift+Escape")
    assert page.evaluate("document.activeElement.id") == "back"


def test_the_text_can_be_searched(open_console: Callable[..., Page]) -> None:
    page = open_console()
    press_enter_for_a_prompt(page)
    page.keyboard.type("echo needle-$((1+1))\n")
    wait_for(page, "needle-2")
    page.keyboard.press("Control+Shift+F")
    page.keyboard.type("needle-2")
    expect(page.locator("#find output")).to_have_text(re.compile(r"of [1-9]"))
    page.keyboard.press("Escape")
    expect(page.locator("#find")).to_be_hidden()


def test_a_restarted_console_server_is_said_and_the_page_goes_on(
    open_console: Callable[..., Page], product: Product
) -> None:
    page = open_console()
    press_enter_for_a_prompt(page)
    server = process(product.pids["consoleserver"])
    assert server is not None
    server.send(signal.SIGKILL)
    expect(page.locator("#state")).to_have_attribute("data-state", "reconnecting")
    expect(page.locator("#notice")).to_contain_text("Connection lost")
    expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=40_000)
    expect(page.locator("#notice")).to_be_hidden()
    wait_for(page, "the console server was restarted")
    page.locator(".xterm-helper-textarea").focus()
    press_enter_for_a_prompt(page)
    page.keyboard.type("echo back-$((6+6))\n")
    wait_for(page, "back-12")


def test_a_guest_that_is_shut_off_is_said_and_comes_back(
    open_console: Callable[..., Page], lab: Lab, guest: str
) -> None:
    page = open_console()
    lab.virsh("destroy", guest)
    expect(page.locator("#state")).to_have_text("Guest is shut off")
    expect(page.locator("#notice")).to_contain_text("goes on by itself when it starts")
    lab.virsh("start", guest)
    expect(page.locator("#state")).to_have_text("Live", timeout=30_000)
    wait_for(page, "web-1 was started")


def test_a_narrow_window_keeps_the_terminal_in_view(open_console: Callable[..., Page]) -> None:
    page = open_console(viewport={"width": 390, "height": 780}, color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = page.locator("#terminal").bounding_box()
    assert box is not None
    assert box["height"] > 400
    assert box["width"] <= 390
