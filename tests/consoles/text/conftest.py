"""A running broker over fake byte streams, and people's connections to it as the web process makes them."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
import pytest_asyncio

from consoles.sessions import LiveSessions, session_hash
from consoles.text import protocol
from consoles.text.broker import TextBroker
from consoles.text.device import Device
from consoles.text.host_link import HostLink
from consoles.text.protocol import FromBrowser, Hello, ToBrowser, Unpacker
from guests.inventory.models import Guest, Host
from tests.consoles.conftest import Person
from tests.consoles.text.fake_stream import FakeHost, FakeStream

SERIAL = {"device": "serial0", "alias": "serial0", "target": "isa-serial", "pty": True}


class FakeLink:
    """Stands for a host; its devices attach to fake byte streams."""

    def __init__(self) -> None:
        self.host = FakeHost()
        self.is_open = False

    def add(self, uuid: UUID, device: Device) -> None:
        """Nobody tells of events."""

    async def attach(
        self, uuid: UUID, name: str, on_data: Callable[[bytes], None], on_end: Callable[[str], None], *, force: bool
    ) -> FakeStream:
        return await self.host.attach(on_data, on_end, force=force)

    def forget(self, uuid: UUID, device: Device) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is open."""


class Seat:
    """One person's connection to the broker: what they were shown, and the credit they give."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.statuses: list[dict[str, Any]] = []
        self.output = b""
        self.replayed = b""
        self.offset = 0
        self.close_code: int | None = None
        self.acknowledges = True
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        unpacker = Unpacker()
        while content := await self._reader.read(65536):
            for message in unpacker.feed(content):
                self._receive(message)

    def _receive(self, message: bytes) -> None:
        if message[0] == ToBrowser.STATUS:
            self.statuses.append(json.loads(message[1:]))
        elif message[0] == ToBrowser.CLOSE:
            self.close_code = protocol.parse_close(message)[0]
        else:
            content = message[9:]
            self.offset = int.from_bytes(message[1:9], "big") + len(content)
            self.output += content
            if message[0] == ToBrowser.REPLAY:
                self.replayed += content
            if self.acknowledges:
                self.acknowledge()

    def said(self, word: str) -> list[Any]:
        return [status[word] for status in self.statuses if word in status]

    def send(self, message: bytes) -> None:
        self._writer.write(protocol.packed(message))

    def type(self, content: bytes) -> None:
        self.send(bytes([FromBrowser.INPUT]) + content)

    def acknowledge(self) -> None:
        self.send(bytes([FromBrowser.ACK]) + self.offset.to_bytes(8, "big"))

    async def leave(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()
        with suppress(ConnectionError):
            await self._reading


@pytest.fixture
def socket_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gh-text-", dir="/tmp") as directory:
        yield Path(directory) / "text.sock"


@pytest.fixture
def guest(transactional_db: None) -> Guest:
    host = Host.objects.create(name="alpha", uri="qemu:///system")
    identity = UUID("5f3c1b0e-0000-4000-8000-00000000000a")
    return Guest.objects.create(
        id=identity, uuid=identity, host=host, name="web-1", state="running", definition={"text_consoles": [SERIAL]}
    )


@pytest.fixture
def link() -> FakeLink:
    return FakeLink()


@pytest.fixture
def sessions() -> LiveSessions:
    return LiveSessions()


@pytest_asyncio.fixture
async def broker(guest: Guest, link: FakeLink, sessions: LiveSessions, socket_path: Path) -> AsyncIterator[TextBroker]:
    broker = TextBroker(sessions, socket_path, lambda _uri: cast("HostLink", link))
    await broker.start()
    yield broker
    await broker.stop()


@pytest_asyncio.fixture
async def sit(broker: TextBroker, guest: Guest, socket_path: Path) -> AsyncIterator[Callable[..., Awaitable[Seat]]]:
    taken: list[Seat] = []

    async def sit(person: Person, mode: str = "control", **place: Any) -> Seat:
        seat = Seat(*await asyncio.open_unix_connection(socket_path))
        key = await asyncio.to_thread(lambda: person.session_key)
        hello = Hello(person.user.pk, session_hash(key), guest.pk, "serial0", mode, **place)
        seat.send(hello.message())
        taken.append(seat)
        return seat

    yield sit
    for seat in taken:
        await seat.leave()
