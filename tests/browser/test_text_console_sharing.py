"""People who share one text console: who is here, one keyboard among them, taking over, watching only."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.text_consoles import press_enter_for_a_prompt, run, screen, wait_for
from tests.labs.lab import Lab
from tests.labs.product import Product

pytestmark = pytest.mark.timeout(240)
OpenConsole = Callable[..., Page]
AddPerson = Callable[[str, str], tuple[str, str]]
BACK_TO_DEFAULTS = "from consoles.models import ConsoleSetting; ConsoleSetting.objects.all().delete()"

LAST_ACTIONS = "from guests.audit.models import AuditRecord; print([r.action for r in AuditRecord.objects.all()[:9]])"


@pytest.fixture(autouse=True)
def defaults(product: Product) -> Iterator[None]:
    yield
    product.manage("shell", "-c", BACK_TO_DEFAULTS)


def share_one_keyboard(page: Page) -> None:
    page.click("[data-tool=setting]")
    page.check("#setting-dialog input[value=one]")
    page.click("#setting-dialog [type=submit]")
    expect(page.locator("#setting-dialog")).to_be_hidden()


def test_everybody_sees_who_is_here(open_console: OpenConsole, add_person: AddPerson) -> None:
    first = open_console()
    expect(first.locator("#people [data-part=summary]")).to_have_text("1 person: you can type")
    watcher = open_console(*add_person("joana", "watcher"))
    expect(watcher.locator("#people [data-part=summary]")).to_have_text("2 people: you watch")
    expect(first.locator(".gh-person").nth(1)).to_contain_text("joana")
    expect(first.locator(".gh-person").nth(1)).to_contain_text("watcher")
    watcher.close()
    expect(first.locator(".gh-person")).to_have_count(1)


def test_one_keyboard_is_asked_for_given_and_kept(open_console: OpenConsole, add_person: AddPerson) -> None:
    ana, rui = open_console(), open_console(*add_person("rui", "operator"))
    share_one_keyboard(ana)
    expect(rui.locator("#mode")).to_have_text("Nobody has the keyboard: take it to type")
    rui.click("[data-keyboard=take]")
    expect(rui.locator("#people [data-part=summary]")).to_have_text("2 people: you have the keyboard")
    expect(ana.locator("#mode")).to_have_text("Somebody else has the keyboard")
    press_enter_for_a_prompt(rui)

    ana.click("[data-keyboard=ask]")
    expect(rui.get_by_role("button", name="Give to admin")).to_be_visible()
    rui.get_by_role("button", name="Keep").click()
    expect(rui.get_by_role("button", name="Give to admin")).to_be_hidden()
    expect(ana.locator("[data-keyboard=ask]")).to_be_visible()

    ana.click("[data-keyboard=ask]")
    rui.get_by_role("button", name="Give to admin").click()
    expect(ana.locator("#mode")).to_have_text("You can type")
    run(ana, "echo given-$((40+2))", "given-42")
    wait_for(rui, "given-42")
    rui.locator(".xterm-helper-textarea").focus()
    rui.keyboard.type("echo pilfered-$((40+2))\n")
    rui.wait_for_timeout(500)
    run(ana, "echo after-$((40+3))", "after-43")
    assert "pilfered" not in screen(ana)


def test_the_keyboard_of_who_leaves_goes_to_who_asked(open_console: OpenConsole, add_person: AddPerson) -> None:
    ana, rui = open_console(), open_console(*add_person("rui", "operator"))
    share_one_keyboard(ana)
    ana.click("[data-keyboard=take]")
    expect(ana.locator("#mode")).to_have_text("You can type")
    expect(rui.locator("[data-keyboard=take]")).to_be_hidden()  # an operator asks, only administrators take
    rui.click("[data-keyboard=ask]")
    expect(ana.get_by_role("button", name="Give to rui")).to_be_visible()
    ana.close()
    expect(rui.locator("#people [data-part=summary]")).to_have_text("1 person: you have the keyboard")


def test_what_a_watcher_sends_reaches_nobody(open_console: OpenConsole, add_person: AddPerson) -> None:
    ana, joana = open_console(), open_console(*add_person("joana", "watcher"))
    press_enter_for_a_prompt(ana)
    expect(joana.locator("[data-tool=setting]")).to_have_count(0)
    expect(joana.locator("#send-keys button").first).to_be_disabled()
    joana.keyboard.type("echo bystander-$((40+2))\n")
    # A page that was changed by hand: its socket sends what the page would not.
    joana.evaluate(
        """() => new Promise((done) => {
            const path = document.getElementById("terminal").dataset.socket;
            const socket = new WebSocket(`ws://${location.host}${path}`);
            socket.binaryType = "arraybuffer";
            socket.onmessage = () => {
                socket.send(new Uint8Array([0, ...new TextEncoder().encode("echo smuggled-$((40+2))\\r")]));
                setTimeout(done, 500);
            };
        })"""
    )
    run(ana, "echo mine-$((40+3))", "mine-43")
    assert "bystander" not in screen(ana)
    assert "smuggled" not in screen(ana)


def test_an_administrator_takes_over_from_another_client(
    open_console: OpenConsole, add_person: AddPerson, lab: Lab, guest: str, product: Product
) -> None:
    page = open_console()
    operator = open_console(*add_person("rui", "operator"))
    press_enter_for_a_prompt(page)
    command = ["script", "-qec", f"virsh -c '{lab.uri}' console --force {guest}", "/dev/null"]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        expect(page.locator("#state")).to_have_text("In use by another client", timeout=20_000)
        expect(operator.locator("#notice")).to_contain_text("holds this console")
        expect(operator.locator("[data-tool=take-over]")).to_have_count(0)
        page.click("[data-tool=take-over]")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#state")).to_have_text("In use by another client")
        page.click("[data-tool=take-over]")
        page.get_by_role("button", name="Cut the other client off").click()
        expect(page.locator("#state")).to_have_text("Live", timeout=20_000)
        expect(operator.locator("#state")).to_have_text("Live")
        deadline = time.monotonic() + 10
        while other.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        if other.poll() is None:
            other.kill()
        other.wait()
        assert other.stdin is not None
        other.stdin.close()
    wait_for(page, "taken over")
    assert "console.take_over" in product.manage("shell", "-c", LAST_ACTIONS)
