"""A definition is read, written, refused, looked at, asked for and brought back, in Chromium, on a real guest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings
from tests.labs.lab import Lab

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def running(lab: Lab) -> Iterator[str]:
    """db-1, which runs; its definition is put back."""
    lab.wait_until_booted("db-1")
    guest = lab.uuid("db-1")
    definition = lab.virsh("dumpxml", guest, "--inactive", "--security-info")
    yield guest
    lab.virsh("define", "/dev/stdin", stdin=definition)


def test_a_definition_from_reading_it_to_bringing_it_back(signed_in: Page, lab: Lab, running: str) -> None:
    page, guest = signed_in, running
    first = lab.virsh("dumpxml", guest, "--inactive")

    page.goto(f"/guests/{guest}/")
    expect(page.locator("#guest-memory-now")).to_contain_text("192")  # the balloon's move was noticed
    page.goto(f"/guests/{guest}/definition/")
    expect(page.locator("#boot-xml")).to_contain_text("<domain type='qemu'>")
    expect(page.locator("main")).to_contain_text("What runs is what the next boot takes.")
    assert page.locator("#boot-xml").evaluate("element => element.textContent.trim()") == first.strip()
    assert not findings(page)

    # The keyboard: Tab indents, Esc and Tab leave the text.
    page.get_by_role("link", name="Edit").click()
    editor = page.get_by_label("Domain XML of the next boot")
    text = editor.input_value()
    editor.press("Control+Home")
    editor.press("Tab")
    expect(editor).to_have_value("  " + text)
    expect(page.locator("#definition-caret")).to_have_text("Line 1, column 3")
    editor.press("Shift+Tab")
    expect(editor).to_have_value(text)
    editor.press("Escape")
    editor.press("Tab")
    expect(page.get_by_role("button", name="Look at the changes")).to_be_focused()
    assert not findings(page)

    # What is refused is named with its line, where the caret stands then.
    look = page.get_by_role("button", name="Look at the changes")
    editor.fill(text.replace("</devices>", "<hostdev mode='capabilities'/>\n  </devices>"))
    line = text[: text.index("</devices>")].count("\n") + 1
    look.click()
    expect(page.locator("#definition-xml_error")).to_contain_text(f"Line {line}: <hostdev> cannot be added")
    expect(page.locator("#definition-caret")).to_contain_text(f"Line {line},")
    expect(editor).to_be_focused()
    assert not findings(page)

    # libvirt's schema has the last word, and what was typed stays.
    editor.fill(text.replace("<on_crash>", "<on_crash nonsense='1'>"))
    look.click()
    page.get_by_role("button", name="Change the definition").click()
    expect(page.locator("#definition-xml_error")).to_contain_text("does not follow libvirt's schema")
    expect(page.locator(".gh-problem-detail pre")).to_contain_text("on_crash")
    expect(editor).to_have_value(text.replace("<on_crash>", "<on_crash nonsense='1'>"))
    assert not findings(page)

    # Somebody else is quicker: both changes are shown, and the next try counts from what stands then.
    editor.fill(text.replace("<on_crash>destroy", "<on_crash>restart"))
    look.click()
    expect(page.locator(".gh-diff ins")).to_have_text("restart")
    assert not findings(page)
    lab.virsh("desc", guest, "<b>Theirs</b>", "--config")
    expect(page.locator("main")).to_contain_text("What changes at the next boot")
    other = page.context.new_page()
    other.goto(f"/guests/{guest}/definition/")
    expect(other.locator("#guest-definition-past")).to_contain_text("made outside Guesthouse", timeout=15_000)
    other.close()
    page.get_by_role("button", name="Change the definition").click()
    expect(page.locator("main")).to_contain_text("The definition was changed since you opened it.")
    expect(page.get_by_label("What others changed meanwhile").last).to_contain_text("&lt;b&gt;Theirs")
    assert not findings(page)
    mine = lab.virsh("dumpxml", guest, "--inactive").replace("<on_crash>destroy", "<on_crash>restart")
    editor.fill(mine)
    look.click()
    page.get_by_role("button", name="Change the definition").click()
    expect(page.locator("main")).to_contain_text("This is so from the next boot on")
    assert "<on_crash>restart" in lab.virsh("dumpxml", guest, "--inactive")
    assert "<on_crash>destroy" in lab.virsh("dumpxml", guest)
    expect(page.locator(".gh-diff").first).to_contain_text("restart")
    expect(page.locator("#guest-definition-past")).to_contain_text("Define anew, admin")

    # The first version comes back.
    page.locator(".gh-versions li > a").nth(2).click()
    expect(page.locator("h1")).to_contain_text("db-1 as defined since")
    assert not findings(page)
    page.get_by_role("button", name="Bring it back").click()
    expect(page.locator("h1")).to_contain_text("Bring back the definition of db-1")
    page.get_by_role("button", name="Bring it back").click()
    expect(page.locator("main")).to_contain_text("What runs is what the next boot takes.")
    assert lab.virsh("dumpxml", guest, "--inactive") == first
