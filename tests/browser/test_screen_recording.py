"""A graphical console recorded and played back, in Chromium: the recording ends with the picture that was seen."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.axe import findings
from tests.browser.waiting import until
from tests.labs.lab import Lab
from tests.labs.product import Product

pytestmark = pytest.mark.timeout(240)
RECORD = """
from django.contrib.auth.models import User
from consoles.console_settings import change_setting
from consoles.models import ScreenRecordings, Sharing
from guests.inventory.models import Guest
change_setting(Guest.objects.get(name="{guest}"), keyboard=Sharing.ALL, record=False,
               screen=ScreenRecordings.{how}, by=User.objects.get(username="admin"))
"""
DRAWN = "document.querySelector('[data-part=screen] canvas, #screen canvas')?.width >= 640"
PIXELS = "document.querySelector('[data-part=screen] canvas, #screen canvas').toDataURL()"


def picture(page: Page) -> Image.Image:
    """What noVNC has drawn."""
    import base64

    return Image.open(io.BytesIO(base64.b64decode(page.evaluate(PIXELS).partition(",")[2]))).convert("RGB")


def differing(first: Image.Image, second: Image.Image) -> int:
    """Pixels that are not the same; a blinking cursor has 16."""
    if first.size != second.size:
        return 1 << 30
    return sum(1 for pixel in ImageChops.difference(first, second).get_flattened_data() if pixel != (0, 0, 0))


@pytest.fixture
def recorded(product: Product, lab: Lab) -> Callable[[str], None]:
    def record(how: str) -> None:
        product.manage("shell", "-c", RECORD.format(guest="web-1", how=how))

    return record


def test_what_was_seen_is_recorded_and_played_back_alike(
    new_context: Callable[..., BrowserContext],
    sign_in: Callable[..., None],
    lab: Lab,
    recorded: Callable[[str], None],
) -> None:
    lab.wait_until_booted("web-1")
    recorded("ON")
    page = new_context(viewport={"width": 1440, "height": 900}).new_page()
    sign_in(page)
    guest = lab.uuid("web-1")
    page.goto(f"/guests/{guest}/console/vnc/")
    expect(page.locator(".gh-recorded")).to_contain_text("Recorded")
    until(page, DRAWN, 30)
    page.locator("[data-part=screen] canvas, #screen canvas").click()
    page.keyboard.type("clear; seq 1 40; echo recorded-$((6*7))\n", delay=30)
    page.wait_for_timeout(2500)
    seen = picture(page)
    page.goto(f"/guests/{guest}/console/")
    page.locator("#recordings").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("web-1")
    expect(page.locator("tbody tr").first).to_contain_text("to the end of the console", timeout=10_000)
    assert findings(page) == []
    page.get_by_role("link", name="Play").first.click()
    until(page, DRAWN, 30)
    before = picture(page)
    assert differing(before, seen) > 500  # the beginning, not the end
    play = page.locator("[data-tool=play]")
    page.locator("#speed").select_option("16")
    play.click()
    expect(play).to_have_text("Pause")
    expect(play).to_have_text("Play", timeout=20_000)
    page.wait_for_timeout(300)
    assert differing(picture(page), seen) <= 64
    assert findings(page) == []
    # The time line leads back, and on again without a new start.
    page.locator("#position").evaluate("e => { e.value = 0; e.dispatchEvent(new Event('input', {bubbles: true})) }")
    until(page, DRAWN)
    page.wait_for_timeout(500)
    assert differing(picture(page), seen) > 500
    page.locator("#position").evaluate("e => { e.value = e.max; e.dispatchEvent(new Event('input', {bubbles: true})) }")
    page.wait_for_timeout(1000)
    assert differing(picture(page), seen) <= 64
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename.startswith("web-1-")
    page.goto(f"/guests/{guest}/console/recordings/")
    rows = page.locator("tbody tr").count()
    page.locator("tbody tr").first.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator("#messages")).to_contain_text("was deleted")
    expect(page.locator("tbody tr")).to_have_count(rows - 1)
    recorded("OFF")


@pytest.mark.parametrize(("theme", "width"), [("dark", 390), ("light", 390)])
def test_a_phone_shows_recordings(
    new_context: Callable[..., BrowserContext], sign_in: Callable[..., None], lab: Lab, theme: str, width: int
) -> None:
    page = new_context(color_scheme=theme, viewport={"width": width, "height": 844}).new_page()
    sign_in(page)
    page.goto(f"/guests/{lab.uuid('web-1')}/console/recordings/")
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_person_records_what_they_are_shown_and_ends_it(
    signed_in: Page, lab: Lab, recorded: Callable[[str], None]
) -> None:
    recorded("OFF")
    guest = lab.uuid("web-1")
    signed_in.goto(f"/guests/{guest}/console/vnc/")
    button = signed_in.get_by_role("button", name="Record what I am shown")
    expect(button).to_be_enabled(timeout=30_000)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true", timeout=15_000)
    expect(signed_in.locator("#vnc-recording")).to_contain_text("Recorded")
    expect(button).to_be_enabled()
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false", timeout=15_000)
    expect(signed_in.locator("#vnc-recording")).to_have_text("")
    assert findings(signed_in) == []
    signed_in.goto(f"/guests/{guest}/console/recordings/")
    expect(signed_in.locator("tbody tr").first).to_contain_text("to the end of the console")
