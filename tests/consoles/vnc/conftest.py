"""A running relay with a door of its own, a guest of libvirt's test driver, and browsers made of websocket-client."""

from __future__ import annotations

import socket
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import websocket
from pytest_django import Settings

from consoles.models import Kind, Mode
from consoles.sessions import LiveSessions
from consoles.tickets import mint
from consoles.vnc.server import VNCServer
from guests.inventory.changes import ChangeFeed
from guests.inventory.models import Guest, Host
from tests.consoles.conftest import Person
from tests.consoles.vnc.rfb_server import RFBServer

HOST_XML = """<node><domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
  {runstate}<name>web-1</name><uuid>{uuid}</uuid>
  <memory unit='MiB'>512</memory><currentMemory unit='MiB'>256</currentMemory><vcpu current='1'>2</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>{graphics}<console type='pty'/></devices>
</domain></node>"""


@dataclass
class Relay:
    port: int
    sessions: LiveSessions
    server: VNCServer
    browsers: list[Any] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(
        self,
        person: Person,
        guest: Guest,
        *,
        mode: Mode = Mode.CONTROL,
        token: str | None = None,
        origin: str | None = "",
        cookie: str | None = None,
        path: str = "/websockify",
    ) -> websocket.WebSocket:
        """A websocket as the page opens it; `origin` None sends none."""
        if token is None:
            token = mint(person.user, person.session_key, guest, kind=Kind.VNC, mode=mode)
        browser = websocket.create_connection(
            f"ws://127.0.0.1:{self.port}{path}",
            timeout=10,
            suppress_origin=origin is None,
            origin=origin or self.origin,
            cookie=f"guesthouse_session={person.session_key}" if cookie is None else cookie,
            subprotocols=["binary", f"t.{token}"] if token else ["binary"],
            enable_multithread=False,
        )
        self.browsers.append(browser)
        return browser


class Reader:
    """Bytes out of a websocket's messages."""

    def __init__(self, browser: websocket.WebSocket) -> None:
        self.browser = browser
        self.buffer = b""

    def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            opcode, data = self.browser.recv_data()
            assert opcode == websocket.ABNF.OPCODE_BINARY, (opcode, data)
            self.buffer += data
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken


def handshake(browser: websocket.WebSocket, shared: bytes = b"\0") -> Reader:
    """What noVNC does, up to and with ServerInit."""
    reader = Reader(browser)
    assert reader.exactly(12) == b"RFB 003.008\n"
    browser.send_binary(b"RFB 003.008\n")
    assert reader.exactly(2) == b"\1\1"
    browser.send_binary(b"\1")
    assert reader.exactly(4) == b"\0\0\0\0"
    browser.send_binary(shared)
    name_length = int.from_bytes(reader.exactly(24)[20:])
    reader.exactly(name_length)
    return reader


def close_of(browser: websocket.WebSocket) -> tuple[int, str]:
    """Read to the close frame: its code and sentence."""
    while True:
        opcode, data = browser.recv_data(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2]), data[2:].decode()


@pytest.fixture
def rfb_server() -> Iterator[RFBServer]:
    with RFBServer() as server:
        yield server


@pytest.fixture
def make_guest(transactional_db: None, tmp_path: Path) -> Callable[..., Guest]:
    def make(graphics: str, runstate: str = "") -> Guest:
        identity = uuid.uuid4()
        path = tmp_path / f"{identity}.xml"
        path.write_text(HOST_XML.format(uuid=identity, graphics=graphics, runstate=runstate))
        host = Host.objects.create(name=f"host-{identity.hex[:8]}", uri=f"test://{path}")
        return Guest.objects.create(id=identity, uuid=identity, host=host, name="web-1", state="running")

    return make


@pytest.fixture
def guest(make_guest: Callable[..., Guest], rfb_server: RFBServer) -> Guest:
    return make_guest(f"<graphics type='vnc' port='{rfb_server.port}' autoport='no' listen='127.0.0.1'/>")


@pytest.fixture
def relay(transactional_db: None, rfb_server: RFBServer, settings: Settings) -> Iterator[Relay]:
    with tempfile.TemporaryDirectory(prefix="gh-") as directory, socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        settings.HANDOFF_SOCKET = Path(directory) / "vnc.sock"
        settings.ORIGINS = [f"http://127.0.0.1:{port}"]
        sessions, feed = LiveSessions(), ChangeFeed()
        feed.start()
        sessions.start(feed)
        server = VNCServer(sessions, feed)
        server.start()

        def hand_over() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = door.accept()
                    with connection, socket.socket(socket.AF_UNIX) as carrier:
                        carrier.connect(str(settings.HANDOFF_SOCKET))
                        socket.send_fds(carrier, [b"websocket"], [connection.fileno()])

        threading.Thread(target=hand_over, daemon=True).start()
        running = Relay(port, sessions, server)
        yield running
        for browser in running.browsers:
            browser.shutdown()
        door.shutdown(socket.SHUT_RDWR)  # wakes who waits for the next browser
        server.stop()
        sessions.stop()
        feed.stop()
        wait_for(lambda: len(sessions) == 0)
        # Threads that just ended their record are about to give their database connection back.
        for thread in threading.enumerate():
            if thread.name == "vnc-relay":
                thread.join(timeout=5)


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether it came true within some seconds."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if condition():
            return True
        pause.wait(0.02)
    return condition()
