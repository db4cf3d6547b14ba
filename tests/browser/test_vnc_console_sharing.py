"""People before one screen in two browsers: who is here, one keyboard among them, looking only."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.axe import findings
from tests.browser.vnc_consoles import connected, console, may_type, serial_of
from tests.labs.lab import Lab
from tests.labs.product import Product

pytestmark = pytest.mark.timeout(240)
OpenScreen = Callable[..., Page]
AddPerson = Callable[[str, str], tuple[str, str]]
BACK_TO_DEFAULTS = "from consoles.models import ConsoleSetting; ConsoleSetting.objects.all().delete()"
PROMOTE = """
from guests.access.models import Grant
grant = Grant.objects.get(user__username="joana"); grant.role = "operator"; grant.save()
"""
SUMMARY = "#vnc-people [data-part=summary]"
MODE = "[data-part=mode]"


@pytest.fixture(autouse=True)
def defaults(product: Product) -> Iterator[None]:
    yield
    product.manage("shell", "-c", BACK_TO_DEFAULTS)


@pytest.fixture
def open_screen(
    new_context: Callable[..., BrowserContext], sign_in: Callable[..., None], lab: Lab
) -> Callable[..., Page]:
    """A running guest's screen, for the administrator or for somebody else, in a browser of their own."""
    lab.wait_until_booted("web-1")

    def open_screen(*person: str, **options: object) -> Page:
        page = new_context(**options).new_page()
        sign_in(page, *person)
        page.goto(console(lab, "web-1"))
        connected(page)
        return page

    return open_screen


def share_one_keyboard(page: Page) -> None:
    page.click("[data-tool=setting]")
    page.check("#vnc-setting-dialog input[value=one]")
    page.click("#vnc-setting-dialog [type=submit]")
    expect(page.locator("#vnc-setting-dialog")).to_be_hidden()


def type_into(page: Page, text: str) -> None:
    page.locator(".gh-vnc canvas").click()
    page.keyboard.type(text, delay=60)


def test_one_keyboard_is_asked_for_given_and_taken(open_screen: OpenScreen, add_person: AddPerson, lab: Lab) -> None:
    ana, rui = open_screen(), open_screen(*add_person("rui", "operator"))
    expect(ana.locator(SUMMARY)).to_have_text("2 people: you can type")
    may_type(rui)
    share_one_keyboard(ana)
    expect(rui.locator(MODE)).to_have_text("Nobody has the keyboard: take it to type")
    expect(rui.locator("[data-part=view-only]")).to_be_visible()
    rui.click("[data-keyboard=take]")
    may_type(rui)
    expect(ana.locator(MODE)).to_have_text("Somebody else has the keyboard")
    expect(ana.locator("#vnc-people [data-keyboard=take]")).to_be_visible()  # an administrator may
    assert findings(ana) == []

    with serial_of(lab, "web-1") as has:
        # Rui holds Shift when the keyboard goes: the guest must not go on as if it were held.
        rui.locator(".gh-vnc canvas").click()
        rui.keyboard.down("Shift")
        ana.click("[data-keyboard=ask]")
        rui.get_by_role("button", name="Give to admin").click()
        may_type(ana)
        type_into(rui, "echo stolen ")
        type_into(ana, "dd if=/proc/version of=/dev/tty")
        ana.keyboard.press("Shift+KeyS")
        ana.keyboard.type("0\n", delay=60)
        assert has(b"Linux version", 20)
        assert not has(b"stolen", 0.2)

    ana.close()
    expect(rui.locator(SUMMARY)).to_have_text("1 person: nobody has the keyboard")


def test_a_watcher_sees_who_is_here_and_can_do_nothing(
    open_screen: OpenScreen, add_person: AddPerson, product: Product
) -> None:
    ana, joana = open_screen(), open_screen(*add_person("joana", "watcher"), color_scheme="dark")
    expect(joana.locator(SUMMARY)).to_have_text("2 people: you watch")
    expect(ana.locator(".gh-person").nth(1)).to_contain_text("joana")
    expect(ana.locator(".gh-person").nth(1)).to_contain_text("watcher")
    expect(joana.locator("[data-tool=setting]")).to_have_count(0)
    expect(joana.locator("[data-tool=view-only]")).to_be_disabled()
    joana.click("#vnc-keys summary")
    for button in joana.locator("#vnc-keys [data-press], #vnc-keys [data-f], #vnc-keys [data-tool=type]").all():
        expect(button).to_be_disabled()
    assert findings(joana) == []
    # The right is given while she looks: she may type without loading the page.
    product.manage("shell", "-c", PROMOTE)
    may_type(joana)


def test_who_switches_to_view_only_types_nothing_and_the_others_see_it(
    open_screen: OpenScreen, add_person: AddPerson, lab: Lab
) -> None:
    ana, rui = open_screen(), open_screen(*add_person("rui", "operator"))
    ana.click("[data-tool=view-only]")
    expect(ana.locator("[data-part=view-only]")).to_be_visible()
    expect(rui.locator(".gh-person").first).to_contain_text("watcher")
    with serial_of(lab, "web-1") as has:
        type_into(ana, "echo looked ")
        ana.click("[data-tool=view-only]")
        may_type(ana)
        expect(rui.locator(".gh-person").first).to_contain_text("may type")
        type_into(ana, "dd if=/proc/version of=/dev/tty")
        ana.keyboard.press("Shift+KeyS")
        ana.keyboard.type("0\n", delay=60)
        assert has(b"Linux version", 20)
