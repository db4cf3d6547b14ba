"""An administrator sees who is at a guest's consoles and disconnects them: both kinds are told by whom and why."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser import axe
from tests.browser.vnc_consoles import connected, console
from tests.labs.lab import Lab


def test_people_are_listed_and_sent_away_with_a_reason(
    signed_in: Page,
    new_context: Callable[..., BrowserContext],
    sign_in: Callable[..., None],
    add_person: Callable[[str, str], tuple[str, str]],
    guest: str,
    lab: Lab,
) -> None:
    screen, text = (new_context().new_page() for _ in range(2))
    sign_in(screen, *add_person("wanda", "watcher"))
    sign_in(text, *add_person("olga", "operator"))
    screen.goto(console(lab, "web-1"))
    connected(screen)
    text.goto(f"/guests/{guest}/console/text/")
    expect(text.locator("#state")).to_have_attribute("data-state", "live", timeout=30_000)

    signed_in.goto(f"/guests/{guest}/console/")
    here = signed_in.locator("#people-list")
    expect(here).to_contain_text("wanda")
    expect(here).to_contain_text("olga")
    assert axe.findings(signed_in) == []
    signed_in.get_by_label("Reason").fill("The guest is being repaired.")
    signed_in.get_by_role("button", name="Disconnect wanda").click()
    for page, state in ((screen, "#vnc-state"), (text, "#state")):
        if page is text:
            expect(signed_in.get_by_label("Reason")).to_have_value("The guest is being repaired.")
            signed_in.get_by_role("button", name="Disconnect olga").click()
        expect(page.locator(state)).to_have_text("Ended", timeout=5_000)
        expect(page.get_by_text("admin closed this console. The guest is being repaired.")).to_be_visible()
    expect(here).to_contain_text("Nobody is at a console of this guest.", timeout=10_000)
    # It does not come back by itself, but by a person who keeps the right.
    screen.get_by_role("button", name="Connect again").click()
    connected(screen)
    expect(here).to_contain_text("wanda", timeout=10_000)
