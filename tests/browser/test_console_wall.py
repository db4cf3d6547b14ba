"""Several consoles side by side in Chromium, and axe on every page of text consoles."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser import axe
from tests.browser.text_consoles import press_enter_for_a_prompt
from tests.labs.lab import Lab
from tests.labs.product import Product

pytestmark = pytest.mark.timeout(240)
FOCUSED = "document.activeElement.closest('[data-cell] ')?.querySelector('h2').innerText"


@pytest.fixture
def wall(signed_in: Page, lab: Lab) -> Page:
    lab.wait_until_booted("web-1")
    lab.wait_until_booted("db-1")
    query = "&".join(f"guest={lab.uuid(name)}" for name in ("web-1", "db-1", "backup-1"))
    signed_in.goto(f"/guests/consoles/?{query}")
    expect(signed_in.locator("[data-cell]").nth(1).locator("[data-part=state]")).to_have_text("Live", timeout=30_000)
    return signed_in


def test_the_lists_selection_opens_them_side_by_side(signed_in: Page, lab: Lab) -> None:
    signed_in.goto("/guests/")
    for name in ("web-1", "backup-1"):
        signed_in.get_by_role("checkbox", name=f"Select {name}").check()
    signed_in.get_by_role("button", name="Consoles").click()
    signed_in.wait_for_url("**/guests/consoles/?**")
    chosen = parse_qs(urlsplit(signed_in.url).query)["guest"]
    assert sorted(chosen) == sorted([lab.uuid("web-1"), lab.uuid("backup-1")])
    expect(signed_in.locator("[data-cell]")).to_have_count(2)


def test_each_cell_has_its_own_connection_and_keys_move_between_them(wall: Page) -> None:
    assert wall.evaluate(FOCUSED) == "web-1"
    expect(wall.locator("[data-cell]").nth(2).locator("[data-part=state]")).to_have_text("Guest is shut off")
    for number, name in ((0, "web-1"), (1, "db-1")):
        wall.keyboard.press(f"Control+Shift+Digit{number + 1}")
        assert wall.evaluate(FOCUSED) == name
        wall.keyboard.type(f"\necho of-{name}-$((40+2))\n", delay=20)
        expect(wall.locator("[data-cell]").nth(number).locator(".xterm-rows")).to_contain_text(
            f"of-{name}-42", timeout=20_000
        )
    wall.keyboard.press("Control+Shift+ArrowLeft")
    assert wall.evaluate(FOCUSED) == "web-1"
    wall.keyboard.press("Control+Shift+ArrowDown")
    assert wall.evaluate(FOCUSED) == "backup-1"
    wall.keyboard.press("Control+Shift+ArrowUp")
    assert wall.evaluate(FOCUSED) == "web-1"


def test_one_cell_can_be_shown_alone(wall: Page) -> None:
    wall.get_by_role("button", name="Show db-1 alone").click()
    expect(wall.locator("[data-cell]:visible")).to_have_count(1)
    wall.get_by_role("button", name="Show db-1 alone").click()
    expect(wall.locator("[data-cell]:visible")).to_have_count(3)


def test_who_may_watch_one_of_them_sees_that_one(
    new_context: Callable[..., BrowserContext], sign_in: Callable[..., None], lab: Lab, product: Product
) -> None:
    context = new_context()
    page = context.new_page()
    code = f"""
from django.contrib.auth.models import User
from guests.access.models import Grant
User.objects.filter(username="one").delete()
user = User.objects.create_user("one", password="a long enough passphrase")
Grant.objects.create(user=user, role="watcher", scope="guest", guest_id="{lab.uuid("db-1")}")
"""
    product.manage("shell", "-c", code)
    sign_in(page, "one", "a long enough passphrase")
    page.goto(f"/guests/consoles/?guest={lab.uuid('web-1')}&guest={lab.uuid('db-1')}")
    expect(page.locator("[data-cell]")).to_have_count(1)
    expect(page.locator("[data-cell] h2")).to_have_text("db-1")
    expect(page.locator(".gh-cbar")).to_contain_text("1 of the guests is not shown")
    expect(page.locator("[data-cell] [data-part=mode]")).to_have_text("You watch", timeout=20_000)


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing(
    new_context: Callable[..., BrowserContext],
    sign_in: Callable[..., None],
    lab: Lab,
    colours: str,
    width: int,
) -> None:
    page = new_context(viewport={"width": width, "height": 844}, color_scheme=colours).new_page()
    sign_in(page)
    lab.wait_until_booted("web-1")
    guest = lab.uuid("web-1")
    page.goto(f"/guests/{guest}/console/text/")
    expect(page.locator("#state")).to_have_text("Live", timeout=30_000)
    expect(page.locator("#people")).to_be_visible()
    press_enter_for_a_prompt(page)
    assert not axe.findings(page)
    page.click("#send-keys summary")
    assert not axe.findings(page)
    page.keyboard.press("Escape")
    for button in ("[data-tool=hints]", "[data-tool=setting]"):
        page.click(button)
        expect(page.locator("dialog[open]")).to_have_count(1)
        assert not axe.findings(page)
        page.keyboard.press("Escape")
    page.goto(f"/guests/consoles/?guest={guest}&guest={lab.uuid('backup-1')}")
    expect(page.locator("[data-part=state]").first).to_have_text("Live", timeout=30_000)
    assert not axe.findings(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_in_portuguese_the_page_fits_a_phone(
    new_context: Callable[..., BrowserContext], sign_in: Callable[..., None], lab: Lab
) -> None:
    page = new_context(locale="pt-BR", viewport={"width": 390, "height": 844}).new_page()
    sign_in(page)
    lab.wait_until_booted("web-1")
    page.goto(f"/guests/{lab.uuid('web-1')}/console/text/")
    expect(page.locator("#people [data-part=summary]")).to_have_text("1 pessoa: você pode digitar", timeout=30_000)
    page.click("#send-keys summary")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not axe.findings(page)
