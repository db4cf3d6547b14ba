"""What tests of the text console's page do again and again."""

from __future__ import annotations

import time

from playwright.sync_api import Page


def screen(page: Page) -> str:
    """What the terminal shows, without the spaces that end its lines."""
    return "\n".join(line.rstrip() for line in page.inner_text(".xterm-rows").replace("\xa0", " ").splitlines())


def wait_for(page: Page, text: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while text not in screen(page):
        assert time.monotonic() < deadline, screen(page)
        page.wait_for_timeout(50)


def press_enter_for_a_prompt(page: Page) -> None:
    for _ in range(20):
        page.keyboard.press("Enter")
        page.wait_for_timeout(500)
        if screen(page).rstrip().endswith("#"):
            return
    raise AssertionError(screen(page))


def run(page: Page, command: str, shows: str) -> None:
    """Type a command and wait for what it writes."""
    page.keyboard.type(command + "\n")
    wait_for(page, shows)


def paste(page: Page, text: str) -> None:
    """What the browser does when a person pastes into the terminal."""
    page.locator(".xterm-helper-textarea").evaluate(
        """(element, text) => {
            const data = new DataTransfer();
            data.setData("text/plain", text);
            element.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
        }""",
        text,
    )
