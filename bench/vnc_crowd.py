"""Many graphical consoles at once, a browser that does not read, and handshakes that nobody finishes.

usage: python -m bench.vnc_crowd [--idle 500] [--busy 20] [--seconds 10]

The product's own web process and console server, as in bench.vnc_relay; the clients are raw websockets of this process.
One after the other: idle and busy consoles together (the busy ones want 30 frames of 64 KiB a second each), then one
browser that asks for everything and reads nothing, then 200 half-open handshakes. All the while somebody else's console
is measured beside them.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench.vnc_parties import BLAST_X, FRAME, FRAME_X, TINY, Client
from bench.vnc_relay import ROOT, Contender, free_port, guesthouse, pss_kib, wait_for_port

FRAMES_PER_SECOND = 30
HALF_OPEN = 200
HALF_OPEN_SECONDS = 12.0  # the relay gives a header 10
TRIPS_SECONDS = 5.0


def spread(values: list[float]) -> str:
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"p50 {statistics.median(ordered):.1f} ({ordered[0]:.1f} to {ordered[-1]:.1f}, p99 {p99:.1f})"


def round_trips(client: Client, seconds: float) -> list[float]:
    """Microseconds of small messages there and back, one every 5 ms."""
    trips, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.perf_counter()
        client.request()
        client.read(len(TINY))
        trips.append((time.perf_counter() - started) * 1e6)
        time.sleep(0.005)
    return trips


def cpu_seconds(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def watch_frames(client: Client, seconds: float, waits: list[float], rates: list[float]) -> None:
    """Ask for a frame 30 times a second, as a browser whose guest moves; the next only when the last is here."""
    started = due = time.perf_counter()
    frames = 0
    while (now := time.perf_counter()) < started + seconds:
        if now < due:
            time.sleep(due - now)
        asked = time.perf_counter()
        client.request(FRAME_X)
        client.read(FRAME)
        waits.append((time.perf_counter() - asked) * 1e3)
        frames += 1
        due = max(due + 1 / FRAMES_PER_SECOND, time.perf_counter() - 1 / FRAMES_PER_SECOND)
    rates.append(frames / (time.perf_counter() - started))


def crowd(relay: Contender, idle: int, busy: int, seconds: float) -> None:
    before = relay.processes()
    memory = pss_kib(before)
    quiet = [relay.connect() for _ in range(idle)]
    time.sleep(1.0)
    grown = pss_kib(relay.processes()) - memory
    setups = [client.setup_ms for client in quiet]
    print(f"{idle} idle consoles: {grown / idle:.1f} KiB (PSS) each, set-up {spread(setups)} ms")
    watched = [relay.connect() for _ in range(busy)]
    waits: list[float] = []
    rates: list[float] = []
    threads = [threading.Thread(target=watch_frames, args=(client, seconds, waits, rates)) for client in watched]
    spent = cpu_seconds(before)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = (cpu_seconds(before) - spent) / seconds
    alive = sum(answers(client) for client in quiet)
    print(
        f"{busy} busy beside them: frames a second {spread(rates)}, wait for one {spread(waits)} ms,"
        f" {spent:.2f} cores for web and console server; {alive} of {idle} idle ones answer"
    )
    for client in quiet + watched:
        client.socket.close()
    time.sleep(2.0)


def answers(client: Client) -> bool:
    try:
        client.request()
        return client.read(len(TINY)) == TINY
    except OSError:
        return False


def stalled(relay: Contender) -> None:
    beside = relay.connect()
    alone = round_trips(beside, TRIPS_SECONDS)
    memory = pss_kib(relay.processes())
    deaf = relay.connect()
    deaf.request(BLAST_X)
    trips = round_trips(beside, TRIPS_SECONDS)
    grown = pss_kib(relay.processes()) - memory
    print(f"a browser that does not read: {grown} KiB (PSS) more; round trips beside it {spread(trips)} µs,")
    print(f"    without it {spread(alone)} µs")
    deaf.socket.close()
    beside.socket.close()
    time.sleep(1.0)


def half_open(relay: Contender) -> None:
    beside = relay.connect()
    port = beside.socket.getpeername()[1]
    began = time.monotonic()
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(HALF_OPEN)]
    for connection in silent:
        connection.sendall(b"GET /websockify HTTP/1.1\r\nHost: x\r\n")
    trips = round_trips(beside, TRIPS_SECONDS)
    newcomers = [relay.connect() for _ in range(10)]
    setups = [client.setup_ms for client in newcomers]
    time.sleep(max(0.0, began + HALF_OPEN_SECONDS - time.monotonic()))
    gone = 0
    for connection in silent:
        connection.setblocking(False)
        try:
            gone += not connection.recv(1)
        except BlockingIOError:
            pass
        except ConnectionError:
            gone += 1
        connection.close()
    print(
        f"{HALF_OPEN} half-open handshakes: {gone} refused or timed out; round trips beside them {spread(trips)} µs,"
        f" set-up of 10 more {spread(setups)} ms"
    )
    for client in [beside, *newcomers]:
        client.socket.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idle", type=int, default=500)
    parser.add_argument("--busy", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    started: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="gh-bench-", ignore_cleanup_errors=True) as directory:
        try:
            rfb_port = free_port()
            serve = f"from bench.vnc_parties import serve_rfb; serve_rfb({rfb_port})"
            started.append(subprocess.Popen([sys.executable, "-c", serve], cwd=ROOT))
            wait_for_port(rfb_port)
            relay = guesthouse(Path(directory), rfb_port, started)
            for client in [relay.connect() for _ in range(50)]:  # what is imported and allocated once
                client.socket.close()
            time.sleep(1.0)
            crowd(relay, options.idle, options.busy, options.seconds)
            stalled(relay)
            half_open(relay)
            print(f"load {os.getloadavg()[0]:.1f}")
        finally:
            for process in reversed(started):
                process.terminate()
            for process in started:
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()


if __name__ == "__main__":
    main()
