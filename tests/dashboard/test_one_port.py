from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)


@dataclass
class Web:
    port: int
    process: subprocess.Popen[bytes]
    runtime: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    data = tmp_path_factory.mktemp("data")
    runtime = tmp_path_factory.mktemp("r")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {
        "GUESTHOUSE_DATA_DIR": str(data),
        "GUESTHOUSE_RUNTIME_DIR": str(runtime),
        "PORT": str(port),
        "GUESTHOUSE_REFUSED_HANDSHAKES_PER_MINUTE": "3",
        "GUESTHOUSE_DEBUG": "1",  # static files without collectstatic
    }
    environment.pop("GUESTHOUSE_URL", None)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "web", "--header-seconds", "1.5"], cwd=ROOT, env=environment
    )
    try:
        started = Web(port, process, runtime)
        deadline = time.monotonic() + 30
        while True:
            try:
                started.connect().close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield started
    finally:
        process.kill()
        process.wait(timeout=10)


@pytest.fixture
def console_server(web: Web) -> Iterator[socket.socket]:
    """What the console server does: a unix socket that receives connections."""
    (directory,) = web.runtime.glob("guesthouse-*")
    path = directory / "vnc.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(10)
        listener.bind(str(path))
        listener.listen(16)
        yield listener
    path.unlink()


def received(listener: socket.socket) -> socket.socket:
    carrier, _ = listener.accept()
    with carrier:
        _message, descriptors, _flags, _address = socket.recv_fds(carrier, 32, 1)
    connection = socket.socket(fileno=descriptors[0])
    connection.settimeout(10)
    return connection


def everything(connection: socket.socket) -> bytes:
    found = b""
    while part := connection.recv(65536):
        found += part
    return found


@pytest.mark.parametrize("target", ["/websockify", "/websockify?guest=1"])
def test_the_console_server_gets_the_connection_untouched(web: Web, console_server: socket.socket, target: str) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with web.connect() as browser:
        browser.sendall(request)
        with received(console_server) as relay:
            assert relay.getpeername() == browser.getsockname()
            relay.setblocking(True)
            assert relay.recv(4096) == request
            relay.sendall(b"from the relay")
            assert browser.recv(100) == b"from the relay"
            browser.sendall(b"from the browser")
            assert relay.recv(100) == b"from the browser"
        # Nothing else holds the connection open.
        assert browser.recv(100) == b""


def test_a_request_line_that_comes_in_pieces_is_waited_for(web: Web, console_server: socket.socket) -> None:
    with web.connect() as browser:
        for piece in (b"G", b"ET /web", b"sockify", b"?x HTTP/1.1\r\n\r\n"):
            browser.sendall(piece)
            time.sleep(0.1)
        with received(console_server) as relay:
            assert relay.recv(4096).endswith(b"?x HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize("target", ["/accounts/login/", "/websockifyx", "/websockify/", "/"])
def test_everything_else_is_served_by_django(web: Web, console_server: socket.socket, target: str) -> None:
    with web.connect() as browser:
        browser.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\nConnection: close\r\n\r\n".encode())
        answer = everything(browser)
    assert answer.startswith(b"HTTP/1.1 ")
    assert b"permissions-policy" in answer.lower()


def test_without_a_console_server_the_browser_is_told(web: Web) -> None:
    with web.connect() as browser:
        browser.sendall(b"GET /websockify HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = everything(browser)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert f"Content-Length: {len(body)}".encode() in head
    assert body == b"The console server does not answer."


@pytest.mark.parametrize("sent", [b"", b"GET /websoc"])
def test_who_asks_for_nothing_is_closed(web: Web, sent: bytes) -> None:
    with web.connect() as browser:
        browser.sendall(sent)
        started = time.monotonic()
        with contextlib.suppress(ConnectionResetError):  # closed with unread bytes
            assert browser.recv(10) == b""
        assert 1 < time.monotonic() - started < 5


def test_half_sent_requests_cost_no_cpu(web: Web) -> None:
    def cpu_ticks() -> int:
        fields = Path(f"/proc/{web.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    browsers = [web.connect() for _ in range(20)]
    for browser in browsers:
        browser.sendall(b"GET /web")
    before = cpu_ticks()
    time.sleep(1)
    used = (cpu_ticks() - before) / os.sysconf("SC_CLK_TCK")
    for browser in browsers:
        browser.close()
    assert used < 0.3


@pytest.mark.parametrize("how", ["told", "chunked"])
def test_a_body_that_is_too_long_is_answered_413_and_not_kept(web: Web, how: str) -> None:
    before = memory_kib(web)
    with web.connect() as browser:
        head = f"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\nConnection: close\r\n"
        piece = b"x" * (1 << 16)
        if how == "told":
            browser.sendall(f"{head}Content-Length: {len(piece) * 200}\r\n\r\n".encode())
        else:
            browser.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(200):  # 12.5 MiB
            browser.sendall(piece if how == "told" else b"%x\r\n%s\r\n" % (len(piece), piece))
        browser.sendall(b"" if how == "told" else b"0\r\n\r\n")
        answer = everything(browser)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"content-security-policy: default-src 'none'" in answer.lower()
    assert memory_kib(web) - before < 8 << 10


def test_a_body_without_end_is_cut_off(web: Web) -> None:
    with web.connect() as browser, pytest.raises(OSError):
        browser.sendall(f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\nContent-Length: {1 << 40}\r\n\r\n".encode())
        for _ in range(4000):
            browser.sendall(b"x" * (1 << 16))
            time.sleep(0.0005)


def test_what_is_no_http_is_answered_with_our_headers(web: Web) -> None:
    with web.connect() as browser:
        browser.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\nX_Bad\x0b: 1\r\n\r\n".encode("latin-1"))
        browser.shutdown(socket.SHUT_WR)
        answer = everything(browser)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<style" not in answer


def test_C12_one_handshake_too_many_is_answered_429(web: Web) -> None:
    request = (
        f"GET /ws/live/ HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Origin: http://127.0.0.1:{web.port}\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    answers = []
    for _ in range(4):
        with web.connect() as browser:
            browser.sendall(request)
            answers.append(everything(browser))
    assert [answer.split()[1] for answer in answers] == [b"403", b"403", b"403", b"429"]
    assert b"Retry-After: " in answers[-1]
    assert b"Too many refused connections from your address. Try again in " in answers[-1]


def memory_kib(web: Web) -> int:
    status = Path(f"/proc/{web.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def test_sigterm_ends_it_with_connections_open(web: Web) -> None:
    with web.connect() as idle, web.connect() as kept:
        kept.sendall(f"GET /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\n\r\n".encode())
        assert kept.recv(100).startswith(b"HTTP/1.1 ")
        web.process.send_signal(signal.SIGTERM)
        assert web.process.wait(timeout=10) == 0
        assert idle.recv(10) == b""
