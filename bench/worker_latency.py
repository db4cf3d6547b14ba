"""What the host worker adds: event → committed row, asked → done, and what a tick costs (SQLite).

    .venv/bin/python bench/worker_latency.py [--uri qemu+unix:///system?socket=…] [--guest web-1] [--rounds 100]

Without a URI: libvirt's test driver with 100 guests (its calls cost next to nothing). With one: that host, whose
guest is paused and resumed so many times.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def line(name: str, seconds: list[float]) -> None:
    ordered = sorted(1000 * value for value in seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    print(f"{name:<44} p50 {statistics.median(ordered):7.1f} ms   p95 {p95:7.1f} ms   max {ordered[-1]:7.1f} ms")


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.001)
    raise SystemExit(f"not within {seconds} s")


def events(guest: str, rounds: int, suspend: Callable[[], Any], resume: Callable[[], Any]) -> None:
    """From the return of libvirt's call to the row as another connection reads it."""
    from guests.inventory.models import Guest

    row = Guest.objects.filter(name=guest)
    taken = []
    for _ in range(rounds):
        for act, state in ((suspend, "paused"), (resume, "running")):
            act()
            began = time.monotonic()
            until(lambda state=state: row.filter(state=state).exists(), 5)  # type: ignore[misc]
            taken.append(time.monotonic() - began)
    line("suspend/resume returned → row committed", taken)


def operations(guest: str, rounds: int) -> None:
    """As a view does it: ask, then wait for the end."""
    from django.contrib.auth.models import User

    from guests.inventory.models import Guest
    from guests.operations import ask, new_key, wait_for_end

    admin = User.objects.create_superuser("admin")
    taken = []
    for number in range(rounds):
        began = time.monotonic()
        asked = ask("resume" if number % 2 else "pause", Guest.objects.get(name=guest), by=admin, key=new_key())
        ended = wait_for_end(asked, 10)
        taken.append(time.monotonic() - began)
        if ended.state != "done":
            raise SystemExit(f"{ended.kind}: {ended.state} {ended.message}")
    line("pause or resume asked → seen done", taken)


def ticks() -> None:
    """The write of one tick in which every row changed."""
    import dataclasses
    from uuid import uuid4

    from guests.inventory.host_inventory import HostInventory
    from guests.inventory.leases import take_leases
    from guests.inventory.models import Host
    from tests.guests.inventory.values import guest, sample

    for many in (100, 1000):
        host = Host.objects.create(name=f"bench-{many}", uri="test:///default")
        inventory = HostInventory(next(x for x in take_leases(uuid4().hex) if x.host_id == host.pk))
        guests = [guest(name=f"guest-{number}") for number in range(many)]
        inventory.resync(guests, time.monotonic())
        taken = []
        for number in range(1, 21):
            samples = [
                dataclasses.replace(sample(g.uuid, float(number), name=g.name), cpu_time_ns=number * 10**8 * number)
                for g in guests
            ]
            began = time.monotonic()
            inventory.tick(samples, began, tick_ms=number)
            taken.append(time.monotonic() - began)
        line(f"tick of {many} rows that all changed", taken)
        host.delete() if not host.guests.exists() else host.guests.all().delete()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--uri", default="")
    arguments.add_argument("--guest", default="web-1")
    arguments.add_argument("--rounds", type=int, default=100)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="gh-bench-", dir="/tmp") as directory:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="dashboard.settings",
            GUESTHOUSE_DATA_DIR=directory,
            GUESTHOUSE_RUNTIME_DIR=directory,
            GUESTHOUSE_TICK_SECONDS="2",
            GUESTHOUSE_LOG_LEVEL="WARNING",
        )
        measure(options, Path(directory))


def measure(options: argparse.Namespace, directory: Path) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from guests.inventory.models import Guest
    from guests.worker.worker import Worker
    from tests.labs.host_xml import HostXml

    call_command("migrate", verbosity=0)
    uri = options.uri
    if not uri:
        host = HostXml(directory / "host.xml")
        for number in range(1, 101):
            host.add_guest(f"web-{number}")
        uri = host.uri
    worker = Worker({"bench": uri})
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    row = until(lambda: Guest.objects.filter(name=options.guest, state="running").first())
    service = until(lambda: next(iter(worker.services.values()), None))
    until(lambda: service.is_up)
    raw = service.connection().raw
    if options.uri:
        from guests.hypervisor.connection import open_connection

        raw = open_connection(uri).raw  # as virsh would: over a connection of its own
    domain = raw.lookupByUUIDString(str(row.uuid))
    time.sleep(1)
    events(options.guest, options.rounds, domain.suspend, domain.resume)
    operations(options.guest, options.rounds)
    worker.stop()
    thread.join(5)
    ticks()


if __name__ == "__main__":
    main()
