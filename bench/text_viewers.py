#!/usr/bin/env python3
"""Text console with many viewers: a flood with one stalled, idle sockets, and how soon the first screen is there.

    .venv/bin/python bench/text_viewers.py [--viewers 16] [--flood-kib 1536] [--idle 300] [--clicks 20]

One run on a private host with real guests and the product. First, sixteen viewers of one guest that floods its serial
line, one of them drawing nothing: what each was sent, how long the guest took against the same flood with one viewer,
and how much web and console server grew. Then 300 sockets that say nothing, on three devices. Then from the click in
Chromium on the guest's page to the first replayed line that its text console shows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.waiting import until
from tests.labs.lab import Lab
from tests.labs.product import Product
from tests.live.text_client import TextClient, WebSession

WINDOW = 256 * 1024
LIMITS = {
    "GUESTHOUSE_CONSOLES_PER_USER": "1000",
    "GUESTHOUSE_CONSOLES_PER_GUEST": "1000",
    "GUESTHOUSE_CONSOLES_PER_PROCESS": "1000",
}


def resident_kib(product: Product) -> dict[str, int]:
    """Of web and console server."""
    page = os.sysconf("SC_PAGE_SIZE")
    pids = product.pids
    return {
        name: int(Path(f"/proc/{pids[name]}/statm").read_text().split()[1]) * page // 1024
        for name in ("web", "consoleserver")
    }


def grown(product: Product, before: dict[str, int]) -> dict[str, int]:
    """Since `before`."""
    return {name: value - before[name] for name, value in resident_kib(product).items()}


def live(session: WebSession, guest: str, device: str = "serial0") -> TextClient:
    """A viewer of a device that is attached."""
    seat = TextClient(session, guest, device)
    seat.wait(lambda: seat.state == "live", 60)
    return seat


def flooded(seat: TextClient, kib: int, word: str) -> float:
    """Seconds that the guest took to write so much, as seen by one viewer."""
    began = time.monotonic()
    seat.type(b"dd if=/dev/zero bs=1024 count=%d 2>/dev/null | tr '\\0' x; echo %b-$((4+4))\r" % (kib, word.encode()))
    seat.wait(lambda: f"{word}-8\r\n".encode() in seat.output[-200:], 600)
    return time.monotonic() - began


def flood(session: WebSession, product: Product, guest: str, options: argparse.Namespace) -> dict[str, object]:
    """Everybody but one gets every byte."""
    first = live(session, guest)
    first.wait_for_prompt()
    flooded(first, 64, "warm")
    alone = flooded(first, options.flood_kib, "alone")
    before = resident_kib(product)
    others = [live(session, guest) for _ in range(options.viewers - 1)]
    stalled = others[-1]
    stalled.draws = False
    starts = {id(seat): seat.offset for seat in [first, *others]}
    time.sleep(1)
    sizes = {id(seat): len(seat.output) for seat in [first, *others]}
    together = flooded(first, options.flood_kib, "together")
    quick = [first, *others[:-1]]
    for seat in quick:
        seat.wait(lambda seat=seat: seat.offset >= first.offset, 30)
    growth = grown(product, before)
    whole = sum(len(seat.output) - sizes[id(seat)] == seat.offset - starts[id(seat)] for seat in quick)
    lost = sum(sum(seat.said("gap")) for seat in quick)
    result: dict[str, object] = {
        "viewers": options.viewers,
        "got_every_byte": sum(not seat.said("gap") for seat in quick),
        "bytes_lost_by_them": lost,
        "contiguous": whole,
        "stalled_was_sent_kib": (len(stalled.output) - sizes[id(stalled)]) // 1024,
        "stalled_within_window": len(stalled.output) <= WINDOW + sizes[id(stalled)],
        "seconds_one_viewer": round(alone, 1),
        "seconds_all": round(together, 1),
        "growth_kib": growth,
        "growth_kib_a_viewer": {name: round(value / (options.viewers - 1)) for name, value in growth.items()},
    }
    for seat in [first, *others]:
        seat.close()
    return result


def idle(session: WebSession, product: Product, guests: list[tuple[str, str]], count: int) -> dict[str, object]:
    """Sockets that nobody uses, over all devices."""
    warm = [live(session, guest, device) for guest, device in guests]
    time.sleep(2)
    before = resident_kib(product)
    began = time.monotonic()
    seats = []
    for number in range(count):
        guest, device = guests[number % len(guests)]
        seats.append(TextClient(session, guest, device))
    for seat in seats:
        seat.wait(lambda seat=seat: seat.statuses, 60)
    opened = time.monotonic() - began
    time.sleep(3)
    growth = grown(product, before)
    for seat in [*seats, *warm]:
        seat.close()
    return {
        "sockets": count,
        "devices": len(guests),
        "opened_in_seconds": round(opened, 1),
        "growth_kib": growth,
        "kib_a_socket": round(sum(growth.values()) / count, 1),
    }


WATCH_FOR_TEXT = """() => {
  const look = () => {
    if (document.querySelector(".xterm-rows")?.innerText.trim()) window.shownAt ??= Date.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


def clicks(product: Product, session: WebSession, guest: str, count: int) -> dict[str, float]:
    """From the click in Chromium to the first replayed line, of a console that somebody looks at already."""
    watching = live(session, guest)
    watching.wait_for_prompt()
    took = []
    with sync_playwright() as playwright:
        flags = FLAGS + (["--no-sandbox"] if os.getuid() == 0 else [])
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_context(base_url=product.url).new_page()
        page.goto("/accounts/login/")
        page.fill("input[name=login]", "admin")
        page.fill("input[name=password]", product.admin_password)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(lambda url: "/accounts/login/" not in url)
        page.add_init_script(f"({WATCH_FOR_TEXT})()")
        for _ in range(count + 1):
            page.goto(f"/guests/{guest}/")
            page.locator("html[data-live=live]").wait_for()
            link = page.locator("#guest-header a[data-key=c]")
            began = link.evaluate("link => { const at = Date.now(); setTimeout(() => link.click()); return at; }")
            until(page, "window.shownAt", 20)
            took.append(page.evaluate("window.shownAt") - began)
        browser.close()
    watching.close()
    took.pop(0)  # Chromium's cache is empty
    return {"p50_ms": statistics.median(took), "min_ms": min(took), "max_ms": max(took)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=16)
    parser.add_argument("--flood-kib", type=int, default=1536)
    parser.add_argument("--idle", type=int, default=300)
    parser.add_argument("--clicks", type=int, default=20)
    options = parser.parse_args()
    lab, product = Lab(), None
    try:
        lab.wait_until_booted("web-1", 120)
        lab.wait_until_booted("db-1", 120)
        lab.virsh("start", lab.uuid("backup-1"))
        lab.wait_until_booted("backup-1", 120)
        product = Product({"lab": lab.uri}, LIMITS)
        session = WebSession(product.url, "admin", product.admin_password)
        guests = [(lab.uuid(name), "serial0") for name in ("web-1", "db-1", "backup-1")]
        for guest, _device in guests:
            session.wait_for_console(guest)
        result = {
            "load": os.getloadavg()[0],
            "click_to_first_screen": clicks(product, session, guests[0][0], options.clicks),
            "flood": flood(session, product, guests[0][0], options),
            "idle": idle(session, product, guests, options.idle),
        }
        print(json.dumps(result, indent=2))
    finally:
        if product:
            product.close()
        lab.close()


if __name__ == "__main__":
    main()
