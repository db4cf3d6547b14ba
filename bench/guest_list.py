"""How long the guest list takes at the server: 100 guests, and the page of 100 rows out of 1,000.

    python bench/guest_list.py [--requests 200]

Fills two temporary databases (guest_list_rows.py), starts daphne on a free port for each, signs in, and asks for
/guests/ over one kept connection, both servers in turn, request by request, so that whatever else the machine does
meets both alike. Figures are from the request's first byte to the answer's last, SQLite, DEBUG off, no compression.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = secrets.token_urlsafe(20)
TARGET_MS = 30.0
TARGET_RATIO = 1.3


class Server:
    """daphne over a database of so many guests."""

    def __init__(self, guests: int) -> None:
        self.guests = guests
        self.data = tempfile.mkdtemp(prefix="gh-bench-")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.environment = os.environ | {
            "GUESTHOUSE_DATA_DIR": self.data,
            "GUESTHOUSE_RUNTIME_DIR": self.data,
            "GUESTHOUSE_DEBUG": "0",
            "GUESTHOUSE_DATABASE_URL": "",
            "BENCH_PASSWORD": PASSWORD,
            "PORT": str(self.port),
        }
        for command in (["bench/guest_list_rows.py", str(guests)], ["manage.py", "collectstatic", "--noinput", "-v0"]):
            subprocess.run([sys.executable, *command], cwd=ROOT, env=self.environment, check=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port), "dashboard.asgi:application"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.cookies: dict[str, str] = {}
        self.connection = self._connect()

    def _connect(self) -> http.client.HTTPConnection:
        for _ in range(200):
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                connection.connect()
            except ConnectionRefusedError:
                time.sleep(0.1)
            else:
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
        raise TimeoutError("daphne did not start")

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, bytes, float]:
        """Status, body, and milliseconds."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        body = None
        if form is not None:
            body = urlencode(form)
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": f"http://127.0.0.1:{self.port}",
            }
        start = time.perf_counter()
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        data = response.read()
        took = 1000 * (time.perf_counter() - start)
        for line in response.headers.get_all("Set-Cookie") or []:
            name, _equals, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        return response.status, data, took

    def sign_in(self) -> None:
        text = self.ask("GET", "/accounts/login/")[1].decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text)
        assert token, text
        form = {"login": "bench", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        assert self.ask("POST", "/accounts/login/", form)[0] == 302

    def cpu_ms(self) -> float:
        """CPU time that daphne has used so far: what a busy machine distorts least."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
        shutil.rmtree(self.data)


def spread(values: list[float]) -> str:
    ordered = sorted(values)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)]
    return "p5 {:.1f}  p25 {:.1f}  p50 {:.1f}  p75 {:.1f}  p95 {:.1f}  p99 {:.1f} ms".format(*at)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200)
    arguments = parser.parse_args()
    servers: list[Server] = []
    try:
        for guests in (100, 1000):
            servers.append(Server(guests))
            servers[-1].sign_in()
        took: dict[int, list[float]] = {server.guests: [] for server in servers}
        cpu: dict[int, float] = {}
        for number in range(arguments.requests + 20):
            if number == 20:
                cpu = {server.guests: server.cpu_ms() for server in servers}
            for server in servers:
                status, body, milliseconds = server.ask("GET", "/guests/")
                rows = body.count(b'<tr role="row" id="row-')
                assert (status, rows) == (200, 100), (status, rows)
                if number >= 20:  # the first ones fill templates and words
                    took[server.guests].append(milliseconds)
        print(f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} CPUs, {arguments.requests} requests each")
        for server in servers:
            used = (server.cpu_ms() - cpu[server.guests]) / arguments.requests
            text = spread(took[server.guests])
            print(f"{server.guests:>5} guests, 100 rows, {len(body) // 1024} KiB: {text}; CPU {used:.1f} ms each")
        first, second = (statistics.median(values) for values in took.values())
        print(f"100 of 1,000 against 100: {second / first:.2f} times (at most {TARGET_RATIO})")
        print(f"p50 {first:.1f} ms (at most {TARGET_MS:.0f})")
        return 0 if first <= TARGET_MS and second / first <= TARGET_RATIO else 1
    finally:
        for server in servers:
            server.close()


if __name__ == "__main__":
    sys.exit(main())
