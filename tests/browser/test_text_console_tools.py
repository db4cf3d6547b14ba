"""The tools around a text console: pastes, keys to send, links, choices, hints, windows, and hostile output."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.text_consoles import paste, press_enter_for_a_prompt, run, screen, wait_for
from tests.browser.waiting import until
from tests.labs.lab import Lab
from tests.labs.product import Product

pytestmark = pytest.mark.timeout(240)
OpenConsole = Callable[..., Page]


@pytest.fixture
def page(open_console: OpenConsole) -> Page:
    page = open_console()
    press_enter_for_a_prompt(page)
    return page


def test_one_pasted_line_goes_at_once(page: Page) -> None:
    paste(page, "echo pasted-$((40+2))")
    wait_for(page, "echo pasted-")
    page.keyboard.press("Enter")
    wait_for(page, "pasted-42")
    expect(page.locator("#paste-dialog")).to_be_hidden()


def test_many_pasted_lines_are_shown_before_they_are_sent(page: Page) -> None:
    paste(page, "echo one-$((40+2))\necho \x1b[201~two-$((40+3))\n")
    dialog = page.locator("#paste-dialog")
    expect(dialog).to_contain_text("2 lines")
    expect(dialog).to_contain_text("Control characters in it are left out.")
    assert "\x1b" not in dialog.locator("textarea").input_value()
    assert page.evaluate("document.activeElement.dataset.tool") == "cancel-paste"
    page.keyboard.press("Enter")  # the safe answer
    expect(dialog).to_be_hidden()
    page.wait_for_timeout(500)
    assert "one-42" not in screen(page)

    paste(page, "echo one-$((40+2))\necho two-$((40+3))\n")
    dialog.get_by_role("button", name="Paste").click()
    wait_for(page, "one-42")
    wait_for(page, "two-43")


def test_a_slow_paste_arrives_whole_and_can_be_stopped(page: Page) -> None:
    lines = [f"x={number:03d}" for number in range(60)]
    paste(page, "\n".join([*lines, "echo last-$x", ""]))
    page.locator("#paste-dialog").get_by_role("button", name="Paste").click()
    wait_for(page, "last-059")
    expect(page.locator("[data-part=pasting]")).to_be_hidden()

    paste(page, "\n".join(["echo begun", *(["true"] * 2000), "echo never-$((1+1))", ""]))
    page.locator("#paste-dialog select").select_option("careful")
    page.locator("#paste-dialog").get_by_role("button", name="Paste").click()
    expect(page.locator("[data-part=pasting]")).to_contain_text("bytes pasted")
    page.locator("[data-tool=stop-paste]").click()
    expect(page.locator("#input-lost")).to_contain_text("Paste stopped")
    page.wait_for_timeout(500)
    assert "never-2" not in screen(page)


def test_what_is_selected_is_copied(open_console: OpenConsole) -> None:
    page = open_console(permissions=["clipboard-read", "clipboard-write"])
    press_enter_for_a_prompt(page)
    run(page, "clear; echo copy-me-$((40+2))", "copy-me-42")
    row = page.locator(".xterm-rows > div", has_text="copy-me-42").last
    box = row.bounding_box()
    assert box is not None
    page.mouse.dblclick(box["x"] + 30, box["y"] + 8)
    until(page, "navigator.clipboard.readText().then((text) => text.startsWith('copy-me'))")


def test_keys_are_sent_from_the_menu(page: Page) -> None:
    run(page, "clear; echo begun-$((40+2))", "begun-42")
    run(page, "cat", "# cat")
    page.wait_for_timeout(300)
    page.click("#send-keys summary")
    page.click("[data-send=ctrl-d]")
    run(page, "echo ended-$((40+2))", "ended-42")
    page.click("#send-keys summary")
    page.click("[data-send=ctrl-c]")
    wait_for(page, "^C")
    press_enter_for_a_prompt(page)  # the shell throws away what comes while it handles Ctrl-C

    page.click("#send-keys summary")
    page.click("[data-send=size]")
    columns, rows = (int(number) for number in page.inner_text("#size").split(" × "))
    run(page, "clear; stty size", f"{rows} {columns}")


def test_sysrq_is_typed_and_what_cannot_be_sent_is_said(page: Page) -> None:
    page.click("#send-keys summary")
    expect(page.locator("#send-keys")).to_contain_text("a break cannot be sent")
    expect(page.locator("#send-keys")).to_contain_text("no serial line carries it")
    page.locator("#sysrq").select_option("h")
    page.click("[data-send=sysrq]")
    wait_for(page, "echo h > /proc/sysrq-trigger")
    page.keyboard.press("Control+c")


def test_a_link_shows_its_real_address_before_it_is_opened(page: Page) -> None:
    link = "\\033]8;;http://evil.example/path\\007https://bank.example\\033]8;;\\007"
    script = "\\033]8;;javascript:alert(1)\\007script\\033]8;;\\007"
    run(page, f"clear; printf '{link} {script} %s\\n' end", "bank.example script end")
    row = page.locator(".xterm-rows > div", has_text="bank.example script end").last
    box = row.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 40, box["y"] + 8)
    page.wait_for_timeout(300)
    page.mouse.click(box["x"] + 41, box["y"] + 8)
    dialog = page.locator("#link-dialog")
    expect(dialog).to_contain_text("http://evil.example/path")
    expect(dialog.locator("[data-part=host]")).to_have_text("evil.example")
    page.keyboard.press("Enter")  # the safe answer
    expect(dialog).to_be_hidden()
    assert len(page.context.pages) == 1
    page.mouse.move(box["x"] + 190, box["y"] + 8)
    page.wait_for_timeout(300)
    page.mouse.click(box["x"] + 191, box["y"] + 8)
    page.wait_for_timeout(300)
    expect(dialog).to_be_hidden()


def test_controls_and_characters_that_reorder_are_shown(page: Page) -> None:
    run(page, "clear; printf 'c1:\\302\\2332Jx bidi:\\342\\200\\256abc raw:\\233 %s\\n' end", "raw:\ufffd end")
    assert "c1:\ufffd2Jx bidi:\ufffdabc" in screen(page)


def test_a_hostile_file_changes_neither_title_nor_clipboard(open_console: OpenConsole) -> None:
    page = open_console(permissions=["clipboard-read", "clipboard-write"])
    press_enter_for_a_prompt(page)
    page.evaluate("navigator.clipboard.writeText('mine')")
    title = page.title()
    run(
        page,
        "printf '\\033]0;owned\\007\\033]52;c;b3duZWQ=\\007\\033[21t\\033]2;owned\\033\\\\ok%s\\n' -end; cat /dev/null",
        "ok-end",
    )
    assert page.title() == title
    assert page.evaluate("navigator.clipboard.readText()") == "mine"


def test_choices_are_kept_in_this_browser(page: Page) -> None:
    page.click("summary[aria-label='Text and reading']")
    size = page.inner_text("#size")
    page.click("[data-tool=larger]")
    assert page.inner_text("#size") != size
    page.check("[data-choice=reader]")
    expect(page.locator(".xterm-accessibility")).to_have_count(1)
    page.reload()
    expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=30_000)
    assert page.inner_text("#size") != size
    expect(page.locator(".xterm-accessibility")).to_have_count(1)


def test_hints_full_screen_and_a_window_of_its_own(page: Page) -> None:
    page.keyboard.press("Control+Shift+H")
    expect(page.locator("#console-keys")).to_contain_text("leaves the terminal")
    page.keyboard.press("Escape")
    page.click("[data-tool=fullscreen]")
    until(page, "document.fullscreenElement?.id === 'main'")
    page.click("[data-tool=fullscreen]")
    until(page, "!document.fullscreenElement")
    with page.expect_popup() as popped:
        page.click("[data-tool=pop-out]")
    expect(popped.value.locator("#state")).to_have_text("Live")
    expect(page.locator("#people [data-part=summary]")).to_contain_text("2 people")


def test_too_many_consoles_have_a_sentence_of_their_own(
    new_context: Callable[..., BrowserContext], sign_in: Callable[..., None], lab: Lab
) -> None:
    context = new_context()
    sign_in(context.new_page())
    path = f"/guests/{lab.uuid('db-1')}/console/text/"
    context.pages[0].goto(path)
    expect(context.pages[0].locator("#state")).to_have_text("Live", timeout=30_000)
    opened = """(count) => Promise.all(Array.from({length: count}, () => new Promise((done) => {
        const socket = new WebSocket(`ws://${location.host}${document.getElementById("terminal").dataset.socket}`);
        (window.held ??= []).push(socket);
        socket.onmessage = done;
    }))).then(() => true)"""
    assert context.pages[0].evaluate(opened, 9)
    other = context.new_page()
    other.goto(path)
    expect(other.locator("#state")).to_have_text("Ended")
    expect(other.locator("#notice")).to_contain_text("You have too many consoles open")
    context.pages[0].evaluate("held.pop().close()")
    other.wait_for_timeout(500)
    other.locator("#notice [data-tool=retry]").click()
    expect(other.locator("#state")).to_have_text("Live")


def test_an_idle_console_is_announced_put_off_and_ended(
    new_context: Callable[..., BrowserContext],
    sign_in: Callable[..., None],
    start_product: Callable[..., Product],
    lab: Lab,
) -> None:
    own = start_product({"lab": lab.uri}, {"GUESTHOUSE_CONSOLE_IDLE_MINUTES": "0.25"})
    page = new_context(base_url=own.url).new_page()
    sign_in(page)
    # Not one whose console the session's product may still hold, from an earlier test.
    guest = lab.uuid("backup-1")
    lab.virsh("start", guest)
    for _ in range(40):  # the inventory of a new product takes its first turn
        answer = page.goto(f"/find/?q={guest}")
        assert answer is not None
        if f"/guests/{guest}/" in page.url:
            break
        page.wait_for_timeout(500)
    page.goto(f"/guests/{guest}/console/text/")
    expect(page.locator("#notice")).to_contain_text("the console closes at", timeout=30_000)
    page.get_by_role("button", name="I am here").click()
    expect(page.locator("#notice")).to_be_hidden()
    expect(page.locator("#state")).to_have_text("Ended", timeout=30_000)
    expect(page.locator("#notice")).to_contain_text("for a long time")
    page.locator("#notice [data-tool=retry]").click()
    expect(page.locator("#state")).to_have_text("Live")
