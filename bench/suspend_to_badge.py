"""How soon an open browser shows what happened to a guest: suspended behind the product's back, and paused in the page.

    .venv/bin/python -m bench.suspend_to_badge [--times 40]

Brings up a private host with real guests, the product on SQLite, and Chromium with the guest list and a guest's page
open. "suspend": from the moment libvirt's suspend returned to the changed mark in the list (the page itself notes the
time). "pause": from the click on the guest page to the changed mark there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
os.environ.setdefault("GUESTHOUSE_DATA_DIR", tempfile.mkdtemp(prefix="gh-bench-"))

import django
from playwright.sync_api import Page, sync_playwright

from guests.hypervisor.connection import open_connection
from guests.hypervisor.writing import pause, resume
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.labs.lab import Lab
from tests.labs.product import Product

NOTE_CHANGES = """(place) => {
  const words = () => document.querySelector(place)?.innerText.trim();
  window.seen = []; let last = words();
  new MutationObserver(() => { const now = words();
    if (now && now !== last) { last = now; window.seen.push([now, Date.now()]); } })
    .observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


def seen_at(page: Page, word: str, count: int) -> float:
    """When the page first showed the word after `count` changes; seconds since the epoch."""
    page.wait_for_function(
        "([word, count]) => window.seen.slice(count).some(s => s[0].includes(word))", arg=[word, count], timeout=10_000
    )
    for text, at in page.evaluate("window.seen")[count:]:
        if word in text:
            return float(at) / 1000
    raise AssertionError(word)


def told(name: str, seconds: list[float], limit: str) -> None:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]
    print(
        f"{name}: p50 {statistics.median(ordered) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, "
        f"least {ordered[0] * 1000:.0f}, most {ordered[-1] * 1000:.0f} ms of {len(ordered)} ({limit}); "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--times", type=int, default=40)
    times = arguments.parse_args().times
    django.setup()
    lab = Lab()
    product = None
    try:
        lab.wait_until_booted("web-1", 120)
        product = Product({"lab": lab.uri})
        with sync_playwright() as playwright:
            flags = FLAGS + (["--no-sandbox"] if os.getuid() == 0 else [])
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
            page = browser.new_context(base_url=product.url).new_page()
            page.goto("/accounts/login/")
            page.fill("input[name=login]", "admin")
            page.fill("input[name=password]", product.admin_password)
            page.press("input[name=password]", "Enter")
            page.wait_for_url("**/guests/**")
            measure(lab, page, times)
            browser.close()
    finally:
        if product:
            product.close()
        lab.close()


def measure(lab: Lab, page: Page, times: int) -> None:
    uuid = lab.uuid("web-1")
    connection = open_connection(lab.uri)
    page.goto("/guests/")
    page.locator("html[data-live=live]").wait_for()
    page.evaluate(NOTE_CHANGES, f"#row-{uuid} .c-state")
    delays = []
    for number in range(times):
        change, word = ((pause, "Paused"), (resume, "Running"))[number % 2]
        count = page.evaluate("window.seen.length")
        change(connection, UUID(uuid))
        returned = time.time()
        delays.append(seen_at(page, word, count) - returned)
        time.sleep(0.3 + number % 7 / 10)  # at every phase of the worker's tick
    told("suspend to badge", delays, "p95 at most 500 ms")
    connection.close()

    page.goto(f"/guests/{uuid}/")
    page.locator("html[data-live=live]").wait_for()
    page.evaluate(NOTE_CHANGES, "#guest-header .gh-state")
    delays = []
    for number in range(times):
        label, word = (("Pause", "Paused"), ("Resume", "Running"))[number % 2]
        button = page.locator("#guest-header").get_by_role("button", name=label, exact=True).first
        button.wait_for()
        count = page.evaluate("window.seen.length")
        asked = button.evaluate("button => { const at = Date.now(); button.click(); return at; }") / 1000
        delays.append(seen_at(page, word, count) - asked)
        time.sleep(0.4)
    told("pause asked to badge", delays, "p50 at most 150 ms")


if __name__ == "__main__":
    main()
