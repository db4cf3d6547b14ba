"""The tools around a screen: keys, typed text, pictures, sizes, windows, touch, and the text console beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocket, expect

from tests.browser.axe import findings
from tests.browser.vnc_consoles import connected, console, may_type, press_from_menu, serial_of
from tests.browser.waiting import until
from tests.labs.lab import Lab
from tests.labs.product import Product

pytestmark = pytest.mark.timeout(240)
CANVAS = ".gh-vnc canvas"
SHARES_CLIPBOARD = """
from guests.inventory.models import Guest
guest = Guest.objects.get(name="web-1")
guest.definition["shares_clipboard"] = True
guest.save(update_fields=["definition"])
"""


@pytest.fixture
def screen(signed_in: Page, lab: Lab) -> Page:
    lab.wait_until_booted("web-1")
    signed_in.goto(console(lab, "web-1"))
    connected(signed_in)
    may_type(signed_in)
    return signed_in


def type_text(page: Page, text: str, *, layout: str = "us", enter: bool = True) -> None:
    press_from_menu(page, "[data-tool=type]")
    page.fill("#vnc-type-dialog [name=text]", text)
    page.select_option("#vnc-type-dialog [name=layout]", layout)
    page.set_checked("#vnc-type-dialog [name=enter]", enter)
    page.get_by_role("button", name="Type", exact=True).click()


def test_sysrq_and_function_keys_reach_the_guest(screen: Page, lab: Lab) -> None:
    with serial_of(lab, "web-1") as has:
        press_from_menu(screen, "[data-sysrq]")
        assert has(b"sysrq: HELP", 20)
    screen.click("#vnc-keys summary")
    screen.check("#vnc-keys [name=held]")
    screen.click("#vnc-keys [data-f='2']")
    # Another virtual console of the guest: nothing is on it.
    expect(screen.locator("#vnc-keys")).not_to_have_attribute("open", "")
    press_from_menu(screen, "[data-f='1']")


def test_text_is_typed_with_every_character(screen: Page, lab: Lab) -> None:
    every = "".join(chr(point) for point in range(33, 127) if chr(point) not in "'\\")
    with serial_of(lab, "web-1") as has:
        type_text(screen, f"echo '{every} a-$((6*7))' >/dev/ttyS0")
        expect(screen.locator("[data-part=typing]")).to_be_visible()
        assert has(every.encode(), 40)
    expect(screen.locator("[data-part=typing]")).to_be_hidden()


def test_typing_can_be_stopped_and_says_what_a_layout_lacks(screen: Page) -> None:
    press_from_menu(screen, "[data-tool=type]")
    screen.fill("#vnc-type-dialog [name=text]", "straße ação ´x漢")
    missing = screen.locator("#vnc-type-dialog [data-part=missing]")
    for layout, left_out in {"us": "ß ç ã ´ 漢", "de": "ç ã 漢", "br": "ß 漢"}.items():
        screen.select_option("#vnc-type-dialog [name=layout]", layout)
        expect(missing).to_have_text(f"Not on this layout, left out: {left_out}")
    assert findings(screen) == []
    screen.get_by_role("button", name="Cancel").click()
    type_text(screen, "#" * 400, enter=False)
    screen.get_by_role("button", name="Stop").click()
    expect(screen.locator("[data-part=remark]")).to_contain_text("of 400 characters were sent")
    screen.keyboard.press("Control+c")


def test_a_picture_is_saved(screen: Page, tmp_path: Path) -> None:
    with screen.expect_download() as download:
        screen.click("[data-tool=screenshot]")
    assert download.value.suggested_filename.startswith("web-1-20")
    download.value.save_as(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_the_screen_is_scaled_or_shown_in_its_size(screen: Page) -> None:
    def width() -> float:
        return screen.locator(CANVAS).evaluate("canvas => canvas.getBoundingClientRect().width")

    assert width() > 800
    screen.select_option("#vnc-scale", "actual")
    assert width() == 720
    screen.reload()  # the choice is this browser's
    connected(screen)
    assert width() == 720
    screen.select_option("#vnc-scale", "remote")
    assert width() > 800
    # The guest's VGA in text mode follows no one.
    expect(screen.locator("[data-part=remark]")).to_have_text("The guest keeps its own size: it is scaled")
    connected(screen)


def test_full_screen_pop_out_and_layout_help(screen: Page) -> None:
    screen.click("[data-tool=fullscreen]")
    until(screen, "document.fullscreenElement?.dataset.part === 'stage'")
    screen.evaluate("document.exitFullscreen()")
    press_from_menu(screen, "[data-tool=layout-help]")
    expect(screen.locator("#vnc-layout-dialog")).to_be_visible()
    assert findings(screen) == []
    screen.get_by_role("button", name="Close").click()
    with screen.expect_popup() as popup:
        screen.click("[data-tool=pop-out]")
    connected(popup.value)
    expect(screen.locator("#vnc-people [data-part=summary]")).to_have_text("2 people: you can type")


def test_the_link_is_measured(screen: Page) -> None:
    expect(screen.locator("[data-part=link]")).to_contain_text("ms", timeout=10_000)
    expect(screen.locator("[data-part=frames]")).to_contain_text("pictures/s", timeout=10_000)


def test_text_and_screen_are_one_click_apart_and_both_go_on(screen: Page, lab: Lab) -> None:
    opened: list[WebSocket] = []
    screen.on("websocket", lambda socket: opened.append(socket))
    screen.click("[data-console=vnc] [data-switch]")
    expect(screen.locator("#state")).to_have_attribute("data-state", "live", timeout=20_000)
    assert screen.url.endswith("/console/text/")
    expect(screen.locator("#vnc-state")).to_be_hidden()
    assert findings(screen) == []
    screen.keyboard.type("echo typed-$((6*7)) >/dev/tty1\n")
    screen.click("[data-console=text] [data-switch]")
    expect(screen.locator("#vnc-state")).to_be_visible()
    expect(screen.locator(CANVAS)).to_be_focused()
    assert screen.url.endswith("/console/vnc/")
    screen.go_back()
    expect(screen.locator("#state")).to_be_visible()
    screen.go_forward()
    # One socket was opened, for the text; the screen's is the one of before, and both live.
    consoles = [socket for socket in opened if "/ws/live/" not in socket.url]
    assert [("text" in socket.url, socket.is_closed()) for socket in consoles] == [(True, False)]
    connected(screen)
    with serial_of(lab, "web-1"):
        pass
    # Text first, then the screen: the same.
    screen.goto(f"/guests/{lab.uuid('web-1')}/console/text/")
    expect(screen.locator("#state")).to_have_attribute("data-state", "live", timeout=20_000)
    screen.click("[data-console=text] [data-switch]")
    connected(screen)
    may_type(screen)


def test_a_touch_keyboard_types(
    new_context: Callable[..., BrowserContext], sign_in: Callable[..., None], lab: Lab
) -> None:
    lab.wait_until_booted("web-1")
    page = new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).new_page()
    sign_in(page)
    page.goto(console(lab, "web-1"))
    connected(page)
    may_type(page)
    page.tap("[data-tool=touch]")
    field = page.locator("[data-part=touch-field]")
    expect(field).to_be_focused()
    with serial_of(lab, "web-1") as has:
        page.keyboard.insert_text("thrown away")
        page.tap("[data-hold=control]")
        page.keyboard.insert_text("u")  # the shell forgets the line
        expect(page.locator("[data-hold=control]")).to_have_attribute("aria-pressed", "false")
        for part in ("echo touchedd", "\b", "-$((6*7)) >/dev/ttyS0"):
            page.keyboard.press("Backspace") if part == "\b" else page.keyboard.insert_text(part)
        page.keyboard.press("Enter")
        assert has(b"touched-42", 20)
    assert findings(page) == []


def test_the_clipboard_goes_through_the_guest_s_channel_and_never_to_a_watcher(
    new_context: Callable[..., BrowserContext],
    sign_in: Callable[..., None],
    add_person: Callable[[str, str], tuple[str, str]],
    lab: Lab,
    product: Product,
) -> None:
    lab.wait_until_booted("web-1")
    pages = []
    product.manage("shell", "-c", SHARES_CLIPBOARD)
    for person in ((), add_person("rui", "operator"), add_person("joana", "watcher")):
        page = new_context().new_page()
        sign_in(page, *person)
        page.goto(console(lab, "web-1"))
        connected(page)
        pages.append(page)
    ana, rui, joana = pages
    may_type(ana)
    may_type(rui)
    # QEMU hands the clipboard to every client that asked for it, as it would hand on what the guest's agent copied.
    press_from_menu(ana, "[data-tool=clipboard]")
    assert findings(ana) == []
    ana.fill("#vnc-clipboard-dialog [name=text]", "copied by ana")
    ana.click("[data-tool=send-clipboard]")
    there = "#vnc-clipboard-dialog [data-part=there]"
    expect(rui.locator(there)).to_have_value("copied by ana")
    expect(joana.locator(there)).to_have_value("")
    joana.click("#vnc-keys summary")
    expect(joana.locator("[data-tool=clipboard]")).to_be_disabled()
