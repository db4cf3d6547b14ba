"""Pictures of screens in Chromium: the list as cards, the guest's page, and a wall for people who only watch."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.axe import findings
from tests.browser.waiting import until
from tests.labs.lab import Lab

LOADED = "image => image.complete && image.naturalWidth >= 640"


def card(page: Page, name: str) -> Locator:
    return page.locator("li.gh-tile", has=page.locator(f".gh-name:text-is('{name}')"))


def see_picture(place: Locator) -> None:
    """A picture stands there, and was loaded."""
    image = place.locator(".gh-shot img")
    expect(image).to_be_visible(timeout=20_000)
    until(image, LOADED, 10)


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_cards_wall_and_page_show_screens_and_axe_finds_nothing(
    new_context: Callable[..., BrowserContext], sign_in: Callable[..., None], lab: Lab, theme: str, width: int
) -> None:
    lab.wait_until_booted("web-1")
    page = new_context(color_scheme=theme, viewport={"width": width, "height": 900}).new_page()
    sign_in(page)
    for path in ("/guests/?view=cards", f"/guests/{lab.uuid('web-1')}/", "/guests/screens/"):
        page.goto(path)
        shot = page.locator(f'[data-look="{lab.uuid("web-1")}"]')
        see_picture(shot.locator(".."))
        expect(shot.locator(".gh-age")).to_contain_text("ago")
        assert findings(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_the_view_is_a_choice_that_filters_search_and_order_keep(signed_in: Page, lab: Lab) -> None:
    signed_in.goto("/guests/?q=web")
    signed_in.locator("#view-cards").click()
    see_picture(card(signed_in, "web-1"))
    signed_in.fill("#find-q", "-1")
    expect(signed_in.locator("li.gh-tile")).to_have_count(3)
    signed_in.locator("#chips a", has_text="Running").click()
    expect(signed_in.locator("li.gh-tile")).to_have_count(2)
    signed_in.locator("#order").click()
    signed_in.locator(".gh-cards-head .gh-panel a", has_text="Name").click()
    expect(signed_in.locator("li.gh-tile .gh-name").first).to_have_text("web-1")
    assert parse_qs(urlsplit(signed_in.url).query) == {
        "q": ["-1"],
        "state": ["running"],
        "sort": ["-name"],
        "view": ["cards"],
    }
    signed_in.locator("#view-table").click()
    expect(signed_in.locator("tr[data-row]")).to_have_count(2)


def test_a_card_is_live_and_a_picture_that_is_renewed_takes_nothing_away(signed_in: Page, lab: Lab) -> None:
    lab.wait_until_booted("web-1")
    signed_in.goto("/guests/?view=cards")
    see_picture(card(signed_in, "web-1"))
    until(signed_in, "document.documentElement.dataset.live === 'live'")
    link = card(signed_in, "web-1").locator(".gh-shot a")
    link.focus()
    before = card(signed_in, "web-1").locator(".gh-shot").get_attribute("data-version")
    lab.virsh("send-key", lab.uuid("web-1"), "KEY_L")
    lab.virsh("send-key", lab.uuid("web-1"), "KEY_S")
    expect(card(signed_in, "web-1").locator(".gh-shot")).not_to_have_attribute(
        "data-version", str(before), timeout=20_000
    )
    assert link.evaluate("link => link === document.activeElement")
    lab.virsh("suspend", lab.uuid("web-1"))
    expect(card(signed_in, "web-1").locator(".gh-state")).to_have_text("Paused", timeout=5000)
    assert link.evaluate("link => link === document.activeElement")
    lab.virsh("destroy", lab.uuid("web-1"))
    expect(card(signed_in, "web-1").locator(".gh-shot")).to_contain_text("Shut off", timeout=5000)


def test_a_saved_guest_shows_its_last_screen_and_is_restored_or_discarded(signed_in: Page, lab: Lab) -> None:
    lab.wait_until_booted("db-1")
    page, guest = signed_in, lab.uuid("db-1")
    page.goto(f"/guests/{guest}/")
    header, screen = page.locator("#guest-header"), page.locator(".gh-screen-card")

    def act(name: str) -> None:
        page.get_by_label("More actions").click()
        header.get_by_role("button", name=name).click()

    def save() -> None:
        act("Save to disk")
        expect(header).to_contain_text("saved to disk", timeout=20_000)
        see_picture(screen)

    save()
    assert lab.state("db-1") == "shut off"
    page.reload()
    see_picture(screen)
    assert findings(page) == []
    page.get_by_role("button", name="Restore").click()
    expect(header).to_contain_text("Running", timeout=20_000)
    expect(header).not_to_contain_text("saved to disk")
    save()
    act("Discard what was saved")
    dialog = page.get_by_role("dialog", name="Discard the saved memory of db-1?")
    assert findings(page) == []
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert re.search(r"Managed save:\s+yes", lab.virsh("dominfo", guest))
    act("Discard what was saved")
    dialog.get_by_role("button", name="Discard").click()
    expect(header).not_to_contain_text("saved to disk", timeout=20_000)
    expect(screen).to_contain_text("Shut off", timeout=20_000)
    expect(screen.locator("img")).to_have_count(0)
    assert re.search(r"Managed save:\s+no", lab.virsh("dominfo", guest))


def test_a_watcher_opens_a_wall_of_chosen_guests(
    new_context: Callable[..., BrowserContext],
    sign_in: Callable[..., None],
    add_person: Callable[[str, str], tuple[str, str]],
    lab: Lab,
) -> None:
    page = new_context().new_page()
    sign_in(page, *add_person("wanda", "watcher"))
    page.goto("/guests/?view=cards")
    for name in ("web-1", "backup-1"):
        page.get_by_role("checkbox", name=f"Select {name}").check()
    page.locator(".gh-bulk").get_by_role("button", name="Screens").click()
    page.wait_for_url("**/guests/screens/?**")
    expect(page.get_by_role("heading", name="2 screens")).to_be_visible()
    see_picture(page.locator("li", has_text="web-1"))
    expect(page.locator("li", has_text="backup-1").locator("[data-state-of]")).to_have_text("Shut off")
    lab.virsh("suspend", lab.uuid("web-1"))
    expect(page.locator("li", has_text="web-1").locator("[data-state-of]")).to_have_text("Paused", timeout=10_000)
