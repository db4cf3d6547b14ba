"""The VNC relay against stock websockify 0.13, in one run on one machine: filter, ticket, session and audit are on.

usage: python -m bench.vnc_relay [--runs 5] [--seconds 3] [--idle 50]

Both relay to the same RFB server (a process of its own); runs alternate. Ours is the product's own web process and
console server with a temporary database, its guest one of libvirt's test driver whose live XML names the RFB server.
Prints a table of medians with spread (lowest to highest run), the ratios, and the same as JSON.

Set-up is what a client waits for, from its TCP connect to the guest's ServerInit: one of each in turn, a moment apart,
the same steps by the same client; a page's asking for its ticket is before it. Set-up in a row: `--idle` of one after
the other, which stay open.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.vnc_parties import BLAST_X, TINY, Client

ROOT = Path(__file__).resolve().parent.parent
HOST_XML = """<node><domain type='test'><name>bench</name><uuid>{uuid}</uuid>
<memory unit='MiB'>512</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os>
<devices><graphics type='vnc' port='{port}' autoport='no' listen='127.0.0.1'/></devices></domain></node>"""
ROUND_TRIPS = 1000
PAUSE_SECONDS = 0.03  # between two set-ups: what one leaves to be done is not the next one's


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_for_port(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"nothing listens on {port}")


def tree(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            for child in (task / "children").read_text().split():
                found += tree(int(child))
        except OSError:
            continue
    return found


def pss_kib(pids: list[int]) -> int:
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


class Contender:
    """One relay: its processes, and how a client connects to it."""

    def __init__(self, name: str, prepare: Callable[[], Callable[[], Client]], pids: list[int]) -> None:
        self.name = name
        self.prepare = prepare  # what is done before a page connects, and how it connects then
        self.pids = pids

    def connect(self) -> Client:
        return self.prepare()()

    def set_up(self) -> float:
        """Milliseconds."""
        connect = self.prepare()
        time.sleep(PAUSE_SECONDS)
        client = connect()
        client.socket.close()
        time.sleep(PAUSE_SECONDS)
        return client.setup_ms

    def processes(self) -> list[int]:
        return [pid for root in self.pids for pid in tree(root)]

    def measure(self, seconds: float, idle: int) -> dict[str, float]:
        client, trips = self.connect(), []
        for _ in range(ROUND_TRIPS):
            started = time.perf_counter()
            client.request()
            client.read(len(TINY))
            trips.append((time.perf_counter() - started) * 1e6)
        client.socket.close()
        trips = sorted(trips[100:])
        client, count = self.connect(), 0
        client.request(BLAST_X)
        started = time.perf_counter()
        while (now := time.perf_counter()) < started + seconds:
            count += len(client.socket.recv(1 << 18))
        rate = count / (now - started) / 1e6
        client.socket.close()
        time.sleep(1.5)
        before = self.processes()
        memory = pss_kib(before)
        clients = [self.connect() for _ in range(idle)]
        time.sleep(1.5)
        during = self.processes()
        grown = pss_kib(during) - memory
        setup = [client.setup_ms for client in clients]
        for client in clients:
            client.socket.close()
        time.sleep(1.0)
        return {
            "round_trip_us_p50": statistics.median(trips),
            "round_trip_us_p99": trips[int(len(trips) * 0.99)],
            "MB_per_s": rate,
            "setup_in_a_row_ms_p50": statistics.median(setup),
            "pss_kib_per_connection": grown / idle,
            "processes_per_connection": (len(during) - len(before)) / idle,
        }


def stock(rfb_port: int, started: list[subprocess.Popen[bytes]]) -> Contender:
    port = free_port()
    started.append(
        subprocess.Popen(
            [sys.executable, "-m", "websockify", f"127.0.0.1:{port}", f"127.0.0.1:{rfb_port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    )
    wait_for_port(port)
    url = f"ws://127.0.0.1:{port}/websockify"
    return Contender("stock websockify", lambda: lambda: Client(url, ["binary"], []), [started[-1].pid])


def guesthouse(directory: Path, rfb_port: int, started: list[subprocess.Popen[bytes]]) -> Contender:
    port, identity = free_port(), uuid.uuid4()
    (directory / "host.xml").write_text(HOST_XML.format(uuid=identity, port=rfb_port))
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "GUESTHOUSE_DATA_DIR": str(directory / "data"),
        "GUESTHOUSE_RUNTIME_DIR": str(directory),
        "GUESTHOUSE_CONSOLES_PER_USER": "2000",
        "GUESTHOUSE_CONSOLES_PER_GUEST": "2000",
        "GUESTHOUSE_CONSOLES_PER_PROCESS": "2000",
        "GUESTHOUSE_LOG_LEVEL": "WARNING",
        "PORT": str(port),
    }
    os.environ.pop("GUESTHOUSE_URL", None)
    os.environ.pop("GUESTHOUSE_DATABASE_URL", None)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.test import Client as Visitor

    from consoles.models import Kind, Mode
    from consoles.tickets import mint
    from guests.access.models import Grant
    from guests.inventory.models import Guest, Host

    host = Host.objects.create(name="bench", uri=f"test://{directory}/host.xml")
    guest = Guest.objects.create(id=identity, uuid=identity, host=host, name="bench", state="running")
    user = get_user_model().objects.create_user("bench", password=secrets.token_urlsafe())
    Grant.objects.create(user=user, role="operator", scope="everything")
    visitor = Visitor()
    visitor.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    key = visitor.session.session_key or ""
    for command in ("consoleserver", "web"):
        started.append(subprocess.Popen([sys.executable, str(ROOT / "manage.py"), command], cwd=ROOT))
    wait_for_port(port)
    while not Path(settings.HANDOFF_SOCKET).exists():
        time.sleep(0.1)
    cookie = f"Cookie: {settings.SESSION_COOKIE_NAME}={key}"

    def prepare() -> Callable[[], Client]:
        token = mint(user, key, guest, kind=Kind.VNC, mode=Mode.CONTROL)
        return lambda: Client(f"ws://127.0.0.1:{port}/websockify", ["binary", f"t.{token}"], [cookie])

    return Contender("guesthouse", prepare, [started[-2].pid, started[-1].pid])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--idle", type=int, default=50)
    parser.add_argument("--set-ups", type=int, default=40, help="of each, in every run")
    options = parser.parse_args()
    started: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="gh-bench-", ignore_cleanup_errors=True) as directory:
        try:
            rfb_port = free_port()
            serve = f"from bench.vnc_parties import serve_rfb; serve_rfb({rfb_port})"
            started.append(subprocess.Popen([sys.executable, "-c", serve], cwd=ROOT))
            wait_for_port(rfb_port)
            contenders = [stock(rfb_port, started), guesthouse(Path(directory), rfb_port, started)]
            results: dict[str, list[dict[str, float]]] = {contender.name: [] for contender in contenders}
            for contender in contenders:
                contender.measure(0.5, options.idle)  # what is imported and allocated once
            for _ in range(options.runs):
                set_ups: dict[str, list[float]] = {contender.name: [] for contender in contenders}
                for _ in range(options.set_ups):
                    for contender in contenders:
                        set_ups[contender.name].append(contender.set_up())
                for contender in contenders:
                    taken = {"setup_ms_p50": statistics.median(set_ups[contender.name])}
                    results[contender.name].append(taken | contender.measure(options.seconds, options.idle))
            print_results(results)
        finally:
            for process in reversed(started):
                process.terminate()
            for process in started:
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()


def print_results(results: dict[str, list[dict[str, float]]]) -> None:
    summary: dict[str, Any] = {"load": os.getloadavg()[0]}
    names = list(results)
    print(f"{'':26}{names[0]:>28}{names[1]:>28}{'ratio':>8}")
    for figure in results[names[0]][0]:
        cells, medians = [], []
        for name in names:
            values = [run[figure] for run in results[name]]
            medians.append(statistics.median(values))
            cells.append(f"{medians[-1]:.2f} ({min(values):.2f} to {max(values):.2f})")
            summary.setdefault(name, {})[figure] = [round(v, 2) for v in (medians[-1], min(values), max(values))]
        ratio = f"{medians[1] / medians[0]:.2f}" if medians[0] else "-"
        print(f"{figure:26}{cells[0]:>28}{cells[1]:>28}{ratio:>8}")
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
