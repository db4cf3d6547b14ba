#!/usr/bin/env python3
"""Text console: how long a key takes to come back, through the product and through the plain libvirt stream.

    .venv/bin/python bench/text_echo.py [--keys 200] [--rounds 3] [--flood-kib 2048]

Brings up a private host with a real guest and the product, then, interleaved in rounds of one run: single keys on the
guest's serial line through libvirt's stream alone, and through browser protocol, web process, console server and
stream; in a quiet product, and in a busy one, whose web process serves page after page while another console's opening
waits for a locked database. Then memory: one console that draws nothing while the guest floods, against the same flood
without it. The guest's tty is emulated in software and takes most of the time, so only the difference of one run means
something.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import sys
import threading
import time
from contextlib import closing, nullcontext
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

import django

django.setup()

from guests.hypervisor.connection import open_connection  # noqa: E402
from guests.hypervisor.streams import open_text_stream  # noqa: E402
from tests.labs.lab import Lab  # noqa: E402
from tests.labs.product import Product  # noqa: E402
from tests.live.text_client import TextClient, WebSession  # noqa: E402

KEYS = b"abcdefghijklmnopqrstuvwxyz"
ERASE = b"\x15"  # Ctrl-U: the line never grows
DETACH_SECONDS = 60


class PlainStream:
    """libvirt's stream and nothing else, read in its event thread."""

    def __init__(self, uri: str, uuid: str) -> None:
        self._connection = open_connection(uri)
        self._arrived = threading.Event()
        self.received = bytearray()
        self._stream = open_text_stream(
            self._connection, UUID(uuid), None, on_data=self._take, on_end=lambda _why: None
        )

    def _take(self, data: bytes) -> None:
        self.received += data
        self._arrived.set()

    def key(self, key: bytes) -> float:
        self._arrived.clear()
        began = time.perf_counter()
        self._stream.send(key)
        if not self._arrived.wait(5):
            raise TimeoutError("the guest does not echo")
        return time.perf_counter() - began

    def close(self) -> None:
        self._stream.close()
        self._connection.close()


class Through:
    """The product, as a browser uses it."""

    def __init__(self, session: WebSession, guest: str) -> None:
        self.client = TextClient(session, guest)
        self.client.wait(lambda: self.client.state == "live", 30)

    def key(self, key: bytes) -> float:
        self.client.arrived.clear()
        began = time.perf_counter()
        self.client.type(key)
        if not self.client.arrived.wait(5):
            raise TimeoutError("the guest does not echo")
        return time.perf_counter() - began

    def close(self) -> None:
        self.client.close()


class Busy:
    """Somebody loads pages one after the other, and somebody else's console waits for the database, while this runs."""

    PAUSE_SECONDS = 0.05  # between two pages
    LOCKED_SECONDS = 0.3

    def __init__(self, product: Product, session: WebSession, guest: str) -> None:
        self._product, self._session, self._guest = product, session, guest
        self._over = threading.Event()
        self.pages = self.waited = 0
        self._threads = [threading.Thread(target=work) for work in (self._load_pages, self._wait_for_database)]

    def __enter__(self) -> Busy:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _load_pages(self) -> None:
        while not self._over.wait(self.PAUSE_SECONDS):
            self._session.get("/guests/")
            self.pages += 1

    def _wait_for_database(self) -> None:
        path = self._product.data_dir / "data" / "guesthouse.sqlite3"
        with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as database:
            while not self._over.wait(self.LOCKED_SECONDS):
                database.execute("BEGIN IMMEDIATE")
                began = time.monotonic()
                opening = TextClient(self._session, self._guest)
                time.sleep(self.LOCKED_SECONDS)
                database.execute("ROLLBACK")
                opening.wait(lambda opening=opening: bool(opening.statuses), 10)
                assert time.monotonic() - began >= self.LOCKED_SECONDS
                opening.close()
                self.waited += 1


def echoes(console: PlainStream | Through, keys: int) -> list[float]:
    """Seconds for each key, once the line is awake (QEMU looks at a closed pty once a second)."""
    for _ in range(3):
        console.key(b"\r")
        time.sleep(0.5)
    taken = []
    for number in range(keys):
        if number % 20 == 19:
            console.key(ERASE)
            time.sleep(0.05)
        taken.append(console.key(KEYS[number % 26 : number % 26 + 1]))
        time.sleep(0.01)
    console.key(ERASE)
    return taken


def quantiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)] * 1000, 2) for p in (50, 90, 99)}


def resident_kib(pid: int) -> int:
    """Private and shared pages that this process holds (VmRSS)."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


def flood(session: WebSession, guest: str, pids: dict[str, int], kib: int, *, stalled: bool) -> dict[str, int]:
    """By how many KiB each process grew at most while the guest wrote that much."""
    quick = TextClient(session, guest)
    quick.wait_for_prompt()
    other = TextClient(session, guest)
    other.wait(lambda: other.state == "live", 30)
    other.draws = not stalled
    before = {name: resident_kib(pid) for name, pid in pids.items()}
    grown = dict.fromkeys(pids, 0)
    began, at = time.monotonic(), len(quick.output)
    mark = time.monotonic_ns() // 1000  # no other run's end is taken for this one's
    quick.type(f"dd if=/dev/zero bs=1024 count={kib} 2>/dev/null | tr '\\0' x; echo over-$(({mark}+1))\r".encode())
    while f"over-{mark + 1}".encode() not in quick.output[-400:]:
        if time.monotonic() - began > 300:
            raise TimeoutError("the flood does not end: the guest is blocked")
        time.sleep(0.1)
        for name, pid in pids.items():
            grown[name] = max(grown[name], resident_kib(pid) - before[name])
    lost = sum(quick.said("gap"))
    print(
        f"  {'with one stalled' if stalled else 'both draw'}: {time.monotonic() - began:.1f} s, "
        f"{(len(quick.output) - at) // 1024} KiB drawn, {lost} bytes lost by the quick one, growth {grown} KiB"
    )
    quick.close()
    other.close()
    return grown


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--keys", type=int, default=200)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--flood-kib", type=int, default=2048)
    options = arguments.parse_args()
    lab = Lab()
    product = None
    try:
        lab.wait_until_booted("web-1", 120)
        lab.wait_until_booted("db-1", 120)
        product = Product({"lab": lab.uri})
        session = WebSession(product.url, "admin", product.admin_password)
        for name in ("web-1", "db-1"):
            session.wait_for_console(lab.uuid(name))
        measure(lab, product, session, options)
    finally:
        if product:
            product.close()
        lab.close()


def measure(lab: Lab, product: Product, session: WebSession, options: argparse.Namespace) -> None:
    report: dict[str, object] = {}
    taken: dict[tuple[str, str], list[float]] = {}
    differences: dict[str, list[float]] = {"quiet": [], "busy": []}
    # Two guests of one definition, so that the rounds alternate without a detach; then the guests change places.
    for here, there in (("web-1", "db-1"), ("db-1", "web-1")):
        if taken:
            time.sleep(DETACH_SECONDS + 3)  # the console server lets go of the first guest
        through, plain = Through(session, lab.uuid(here)), PlainStream(lab.uri, lab.uuid(there))
        for number in range(options.rounds):
            for how, found in differences.items():
                load = os.getloadavg()[0]
                with Busy(product, session, lab.uuid(here)) if how == "busy" else nullcontext() as busy:
                    by_stream, by_product = echoes(plain, options.keys), echoes(through, options.keys)
                taken.setdefault((how, "stream"), []).extend(by_stream)
                taken.setdefault((how, "product"), []).extend(by_product)
                found.append((statistics.median(by_product) - statistics.median(by_stream)) * 1000)
                told = f", {busy.pages} pages, {busy.waited} waits for the database" if busy else ""
                print(
                    f"{how} round {number + 1}, product on {here}: stream {quantiles(by_stream)} "
                    f"product {quantiles(by_product)} ms, p50 difference {found[-1]:+.2f} ms, load {load:.1f}{told}",
                    flush=True,
                )
        plain.close()
        through.close()
    for how, found in differences.items():
        stream, whole = quantiles(taken[how, "stream"]), quantiles(taken[how, "product"])
        report[how] = {
            "stream_ms": stream,
            "product_ms": whole,
            "p50_difference_ms": {
                "median": round(statistics.median(found), 2),
                "min": round(min(found), 2),
                "max": round(max(found), 2),
            },
            "p50_ratio": round(whole["p50"] / stream["p50"], 2),
            "p99_difference_ms": round(whole["p99"] - stream["p99"], 2),
        }
    print("flood:", flush=True)
    pids = {name: product.pids[name] for name in ("web", "consoleserver")}
    without = flood(session, lab.uuid("web-1"), pids, options.flood_kib, stalled=False)
    stalled = flood(session, lab.uuid("web-1"), pids, options.flood_kib, stalled=True)
    report |= {"growth_kib_both_draw": without, "growth_kib_one_stalled": stalled}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
