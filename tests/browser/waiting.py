"""Waiting for what only a script in the page can tell. Playwright's `wait_for_function` evaluates its words in the page
again and again, which the pages' own content security policy forbids from the second time on.
"""

from __future__ import annotations

import time

from playwright.sync_api import Locator, Page

PAUSE_MS = 50


def until(where: Page | Locator, expression: str, seconds: float = 20) -> None:
    """Wait until the JavaScript expression is true: of a page, or, as a function of its element, of a locator."""
    page = where if isinstance(where, Page) else where.page
    deadline = time.monotonic() + seconds
    while not where.evaluate(expression):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true after {seconds} s: {expression}")
        page.wait_for_timeout(PAUSE_MS)
