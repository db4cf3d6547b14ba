"""A console's log in Chromium: always recorded, searched, played back along the time line, downloaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import axe
from tests.browser.text_consoles import press_enter_for_a_prompt, run, screen, wait_for
from tests.labs.lab import Lab
from tests.labs.product import Product

pytestmark = pytest.mark.timeout(240)
BACK_TO_DEFAULTS = "from consoles.models import ConsoleSetting; ConsoleSetting.objects.all().delete()"


@pytest.fixture
def recorded(open_console: Callable[..., Page], product: Product) -> Iterator[Page]:
    """A console whose log was switched on in the page, and on which something was written."""
    page = open_console(accept_downloads=True)
    expect(page.locator("#recording")).to_have_text("log: off")
    page.click("[data-tool=setting]")
    page.check("#setting-dialog input[name=record]")
    page.click("#setting-dialog [type=submit]")
    expect(page.locator("#setting-dialog")).to_be_hidden()  # before that, keys are the dialog's
    expect(page.locator("#recording")).to_have_text("log: recording", timeout=20_000)
    press_enter_for_a_prompt(page)
    run(page, "echo early-$((40+2))", "early-42")
    page.wait_for_timeout(2500)
    run(page, "clear; printf 'late-%s \\033]0;owned\\007\\302\\2332J\\n' $((40+3))", "late-43")
    page.wait_for_timeout(500)
    yield page
    product.manage("shell", "-c", BACK_TO_DEFAULTS)


def open_log(page: Page) -> None:
    page.get_by_role("link", name="Log", exact=True).click()
    expect(page.locator("#position")).to_be_enabled(timeout=20_000)


def test_the_log_is_searched_and_played_from_what_was_found(recorded: Page) -> None:
    page = recorded
    open_log(page)
    wait_for(page, "late-43 \ufffd2J")
    assert "early-42" not in screen(page)  # the guest cleared its screen since
    page.fill("#search input", "EARLY-42")
    page.keyboard.press("Enter")
    hit = page.locator(".gh-log-hit", has_text="early-42").first
    hit.click()
    wait_for(page, "early-42")
    assert "late-43" not in screen(page)
    expect(hit).to_have_attribute("aria-current", "true")

    page.locator("#speed").select_option("4")
    page.get_by_role("button", name="Play").click()
    wait_for(page, "late-43")
    expect(page.get_by_role("button", name="Play")).to_be_visible()  # at the end it stops by itself
    page.fill("#search input", "never-written")
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_contain_text("Nothing in the log holds")


def test_the_time_line_is_moved_by_keys_and_silences_are_shortened(recorded: Page) -> None:
    page = recorded
    open_log(page)
    line = page.locator("#position")
    shortened = float(line.get_attribute("max") or 0)
    page.uncheck("#silences")
    assert float(line.get_attribute("max") or 0) > shortened
    line.press("Home")
    before = page.inner_text("#time")
    line.press("ArrowRight")
    assert page.inner_text("#time") != before
    assert line.get_attribute("aria-valuetext") == page.inner_text("#time")
    assert page.locator("#activity rect").count() > 0


def test_the_log_is_downloaded_as_text_and_as_asciicast(recorded: Page) -> None:
    page = recorded
    open_log(page)
    with page.expect_download() as text:
        page.click("#download-text")
    assert text.value.suggested_filename == "web-1-serial0.txt"
    assert "early-42" in Path(text.value.path()).read_text()
    with page.expect_download() as cast:
        page.click("#download-cast")
    lines = Path(cast.value.path()).read_text().splitlines()
    assert json.loads(lines[0])["version"] == 2
    assert "early-42" in "".join(json.loads(line)[2] for line in lines[1:])


def test_a_console_that_was_never_recorded_says_how_to_begin(signed_in: Page, lab: Lab) -> None:
    signed_in.goto(f"/guests/{lab.uuid('db-1')}/console/text/serial0/log/")
    expect(signed_in.locator("#notice")).to_contain_text("Nothing is in the log")
    expect(signed_in.locator("#position")).to_be_disabled()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_in_the_log(recorded: Page, colours: str) -> None:
    page = recorded
    page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
    open_log(page)
    page.fill("#search input", "42")
    page.keyboard.press("Enter")
    expect(page.locator(".gh-log-hit").first).to_be_visible()
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert not axe.findings(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
