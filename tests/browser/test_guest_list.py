"""The guest list and its neighbours in Chromium: live rows, keys, bulk acts, and nothing for axe to find."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from playwright.sync_api import BrowserContext, Error, Page, Route, expect

from tests.browser.axe import findings
from tests.browser.waiting import until
from tests.labs.lab import Lab

PATHS = [
    "/guests/",
    "/guests/?q=nothing-like-this",
    "/hosts/",
    "/hosts/lab/",
    "/hosts/lab/starts/",
    "/operations/",
    "/find/?q=99999",
    "/nowhere/",
]
ACCOUNT_PATHS = ["/accounts/password/change/", "/accounts/2fa/", "/accounts/sessions/"]


def row(page: Page, name: str):  # type: ignore[no-untyped-def]
    return page.locator("tr[data-row]", has=page.locator(f".gh-name:text-is('{name}')"))


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_overflows(
    new_context: Callable[..., BrowserContext], sign_in: Callable[..., None], theme: str, width: int
) -> None:
    page = new_context(color_scheme=theme, viewport={"width": width, "height": 900}).new_page()
    page.goto("/accounts/login/")
    assert findings(page) == []
    sign_in(page)
    for path in PATHS + ACCOUNT_PATHS:
        page.goto(path)
        assert page.locator("html").get_attribute("data-bs-theme") == theme
        assert findings(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_a_pause_by_virsh_changes_the_row_in_an_open_list_and_moves_nothing(signed_in: Page, lab: Lab) -> None:
    signed_in.goto("/guests/")
    until(signed_in, "document.documentElement.dataset.live === 'live'")
    row(signed_in, "web-1").locator(".gh-pick").check()
    row(signed_in, "db-1").locator(".gh-name").focus()
    signed_in.evaluate(
        "window.shifted = 0; new PerformanceObserver(l => l.getEntries().forEach(e => window.shifted += e.value))"
        ".observe({type: 'layout-shift'})"
    )
    lab.virsh("suspend", "web-1")
    start = time.monotonic()
    expect(row(signed_in, "web-1").locator(".c-state")).to_have_text("Paused", timeout=5000)
    assert time.monotonic() - start < 3
    assert row(signed_in, "web-1").locator(".gh-pick").is_checked()
    assert signed_in.evaluate("document.activeElement.textContent") == "db-1"
    lab.virsh("resume", "web-1")
    expect(row(signed_in, "web-1").locator(".c-state")).to_have_text("Running", timeout=5000)
    assert signed_in.evaluate("window.shifted") < 0.02


def test_search_as_you_type_keeps_focus_and_stands_in_the_address(signed_in: Page) -> None:
    signed_in.goto("/guests/")
    signed_in.keyboard.press("/")
    signed_in.keyboard.type("web", delay=20)
    expect(signed_in.locator("tr[data-row]")).to_have_count(1)
    assert signed_in.evaluate("document.activeElement.id") == "find-q"
    assert "q=web" in signed_in.url
    signed_in.locator(".gh-chip", has_text="All").click()
    expect(signed_in.locator("tr[data-row]")).to_have_count(1)
    signed_in.fill("#find-q", "")
    expect(signed_in.locator("tr[data-row]")).to_have_count(3)


def test_a_slow_answer_never_replaces_a_newer_list(signed_in: Page) -> None:
    signed_in.goto("/guests/?q=web")
    rows, held = signed_in.locator("tr[data-row]"), list[Route]()

    def hold_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    signed_in.route("**/guests/?*", hold_first)
    signed_in.locator(".gh-chip", has_text="Running").click()
    while not held:
        signed_in.wait_for_timeout(20)
    signed_in.fill("#find-q", "")
    expect(rows).to_have_count(3)
    with suppress(Error):  # the page gave it up
        held[0].continue_()
    signed_in.wait_for_timeout(500)
    expect(rows).to_have_count(3)
    assert "state=" not in signed_in.url


def test_who_goes_on_to_the_search_field_stays_there_while_the_list_settles(signed_in: Page) -> None:
    signed_in.goto("/guests/")
    signed_in.evaluate(
        """() => document.addEventListener("htmx:afterSwap", () => document.getElementById("find-q").focus())
        || document.addEventListener("htmx:afterSettle", () => setTimeout(() => { window.settled = true; }))"""
    )
    signed_in.locator(".gh-chip", has_text="All").click()
    until(signed_in, "window.settled === true")
    assert signed_in.evaluate("document.activeElement.id") == "find-q"


def test_chips_and_headings_change_the_list_and_going_back_brings_it_back(signed_in: Page) -> None:
    signed_in.goto("/guests/")
    signed_in.locator(".gh-chip", has_text="Shut off").click()
    expect(signed_in.locator("tr[data-row]")).to_have_count(1)
    assert "state=shut-off" in signed_in.url
    signed_in.go_back()
    expect(signed_in.locator("tr[data-row]")).to_have_count(3)
    signed_in.get_by_role("columnheader", name="Name").locator("a").click()
    expect(signed_in.locator("tr[data-row] .gh-name").first).to_have_text("web-1")


def test_the_bulk_bar_counts_what_fits_and_says_what_came_of_it(signed_in: Page, lab: Lab) -> None:
    signed_in.goto("/guests/")
    expect(signed_in.locator(".gh-bulk")).to_be_hidden()
    row(signed_in, "web-1").locator(".gh-pick").check()
    row(signed_in, "backup-1").locator(".gh-pick").check()
    bar = signed_in.locator(".gh-bulk")
    expect(bar.locator("[data-count]")).to_have_text("2 selected")
    expect(bar.get_by_role("button", name="Pause")).to_contain_text("1 of 2")
    expect(bar.get_by_role("button", name="Resume")).to_be_disabled()
    bar.get_by_role("button", name="Pause").click()
    results = signed_in.locator("#results")
    expect(results).to_contain_text("web-1")
    expect(results).to_contain_text("nothing to do: it is shut off")
    expect(row(signed_in, "web-1").locator(".c-state")).to_have_text("Paused", timeout=10_000)
    assert "paused" in lab.virsh("domstate", "web-1")
    signed_in.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    lab.virsh("resume", "web-1")


def test_more_acts_for_many_ask_for_what_they_need(signed_in: Page, lab: Lab) -> None:
    page = signed_in
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/guests/")
    for name in ("web-1", "backup-1"):
        page.locator(f"[data-row]:has-text('{name}') .gh-pick").check()
    more = page.locator("#bulk-more")
    page.get_by_role("button", name="More", exact=True).click()
    expect(more.get_by_role("button", name="Pause", exact=False).first).to_be_visible()  # the bar has no room for it
    assert findings(page) == []
    more.get_by_role("button", name="Add tags").click()
    expect(more).to_be_hidden()
    results = page.locator("#results")
    results.get_by_role("textbox", name="Tags").fill("nightly")
    assert findings(page) == []
    results.get_by_role("button", name="Add tags").click()
    expect(results.get_by_text("tags now: nightly")).to_have_count(2)
    page.get_by_role("button", name="More", exact=True).click()
    more.get_by_role("button", name="Migrate").click()
    expect(results).to_contain_text("All of them are there.")
    assert findings(page) == []
    results.get_by_role("button", name="Migrate").click()
    expect(results.get_by_role("alert")).to_have_text("Choose where they go.")
    results.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="More", exact=True).click()
    more.get_by_role("button", name="Start with the host", exact=True).click()
    expect(results.locator("li", has_text="backup-1")).to_contain_text("Done", timeout=10_000)
    assert "enable" in lab.virsh("dominfo", lab.uuid("backup-1"))
    for name in ("web-1", "backup-1"):
        lab.virsh("autostart", "--disable", lab.uuid(name))


def test_keys_lead_through_rows_and_pages(signed_in: Page) -> None:
    signed_in.goto("/guests/")
    signed_in.keyboard.press("j")
    signed_in.keyboard.press("j")
    second = signed_in.locator("tr[data-row] .gh-name").nth(1)
    expect(second).to_be_focused()
    signed_in.keyboard.press("x")
    expect(signed_in.locator(".gh-pick").nth(1)).to_be_checked()
    signed_in.keyboard.press("k")
    expect(signed_in.locator("tr[data-row] .gh-name").first).to_be_focused()
    signed_in.keyboard.press("?")
    expect(signed_in.locator("#keys")).to_be_visible()
    signed_in.keyboard.press("Escape")
    signed_in.keyboard.press("g")
    signed_in.keyboard.press("h")
    signed_in.wait_for_url("**/hosts/")
    signed_in.keyboard.press("g")
    signed_in.keyboard.press("g")
    signed_in.wait_for_url("**/guests/")


def test_the_row_menu_opens_over_the_page_and_its_act_reaches_libvirt(signed_in: Page, lab: Lab) -> None:
    signed_in.goto("/guests/")
    row(signed_in, "web-1").locator("[data-more]").click()
    menu = signed_in.locator("#row-menu")
    expect(menu.get_by_role("button", name="Pause")).to_be_visible()
    expect(menu.get_by_role("button", name="Start")).to_be_hidden()
    menu.get_by_role("button", name="Pause").click()
    expect(row(signed_in, "web-1").locator(".c-state")).to_have_text("Paused", timeout=10_000)
    assert "paused" in lab.virsh("domstate", "web-1")
    lab.virsh("resume", "web-1")


def test_without_the_socket_the_list_is_asked_again_every_five_seconds(
    new_context: Callable[..., BrowserContext], sign_in: Callable[..., None], lab: Lab
) -> None:
    page = new_context().new_page()
    page.route_web_socket("**/ws/live/**", lambda socket: socket.close())
    sign_in(page)
    page.goto("/guests/")
    expect(page.locator("[data-live-note]")).to_contain_text("every 5 s")
    lab.virsh("suspend", "web-1")
    expect(row(page, "web-1").locator(".c-state")).to_have_text("Paused", timeout=12_000)
    lab.virsh("resume", "web-1")


def test_the_chosen_theme_is_kept_and_there_before_the_first_paint(signed_in: Page) -> None:
    signed_in.goto("/guests/")
    signed_in.locator("[data-theme-toggle]").click()
    assert signed_in.evaluate("document.documentElement.dataset.bsTheme") == "dark"
    signed_in.goto("/hosts/", wait_until="commit")
    assert signed_in.evaluate("document.documentElement.dataset.bsTheme") == "dark"


def test_the_language_is_chosen_in_the_menu(signed_in: Page) -> None:
    signed_in.goto("/hosts/")
    signed_in.locator(".gh-top-end summary").click()
    signed_in.get_by_role("button", name="Português").click()
    expect(signed_in.locator("html")).to_have_attribute("lang", "pt-br")
    assert signed_in.url.endswith("/hosts/")
