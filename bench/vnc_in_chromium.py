#!/usr/bin/env python3
"""Graphical console in Chromium: from the click to the first picture, and how many frames a second arrive.

    .venv/bin/python -m bench.vnc_in_chromium [--clicks 20] [--seconds 10]

Brings up a private host with real guests, the product, and Chromium. A click is on the guest's page; the picture is
there when the canvas shows more than one colour. For the frames the guest writes to its screen all the time; the page
counts the updates that it asks QEMU for, one after each that came.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.waiting import until
from tests.labs.lab import Lab
from tests.labs.product import Product
from tests.live.text_client import TextClient, WebSession

WATCH = """() => {
  const look = () => {
    const canvas = document.querySelector(".gh-vnc canvas");
    if (canvas?.width > 300) {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      if (new Set(new Uint32Array(data.buffer)).size > 1) { window.shownAt ??= Date.now(); return; }
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  window.asked = 0;
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (content) {
    const bytes = ArrayBuffer.isView(content) ? content : new Uint8Array(0);
    if (bytes.byteLength === 10 && bytes[0] === 3) window.asked += 1;  // FramebufferUpdateRequest (RFC 6143, 7.5.3)
    return send.call(this, content);
  };
}"""
REPAINT = b"while :; do cat /proc/interrupts /proc/uptime > /dev/tty1; done & echo\r"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--clicks", type=int, default=20)
    arguments.add_argument("--seconds", type=int, default=10)
    options = arguments.parse_args()
    lab, product = Lab(), None
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
            page.wait_for_url(lambda url: "/accounts/login/" not in url)
            page.add_init_script(f"({WATCH})()")
            took = clicks(page, lab.uuid("web-1"), options.clicks)
            session = WebSession(product.url, "admin", product.admin_password)
            rates = frames(page, session, lab.uuid("web-1"), options.seconds)
            browser.close()
    finally:
        if product:
            product.close()
        lab.close()
    result = {
        "click_to_first_picture_ms": {"p50": statistics.median(took), "min": min(took), "max": max(took)},
        "frames_a_second": {"median": statistics.median(rates), "min": min(rates), "max": max(rates)},
        "load": os.getloadavg()[0],
    }
    print(json.dumps(result, indent=2))


def clicks(page: Page, guest: str, count: int) -> list[float]:
    """Milliseconds of each; one before them fills Chromium's cache."""
    took = []
    for _ in range(count + 1):
        page.goto(f"/guests/{guest}/")
        page.locator("html[data-live=live]").wait_for()
        link = page.get_by_role("link", name="Graphical console")
        began = link.first.evaluate("link => { const at = Date.now(); setTimeout(() => link.click()); return at; }")
        page.wait_for_url("**/console/vnc/")
        until(page, "window.shownAt", 20)
        took.append(page.evaluate("() => window.shownAt") - began)
    return took[1:]


def frames(page: Page, session: WebSession, guest: str, seconds: int) -> list[float]:
    """Updates in each of so many seconds, while the guest repaints its screen all the time."""
    console = TextClient(session, guest)
    console.wait_for_prompt()
    console.type(REPAINT)
    page.wait_for_timeout(2000)
    rates = []
    for _ in range(seconds):
        before, began = page.evaluate("() => [window.asked, performance.now()]")
        page.wait_for_timeout(1000)
        after, ended = page.evaluate("() => [window.asked, performance.now()]")
        rates.append(round((after - before) * 1000 / (ended - began), 1))
    console.type(b"kill %1\r")
    console.close()
    return rates


if __name__ == "__main__":
    main()
