"""The websocket as the web process serves it: through the real application, gate and routing included."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from channels.testing import WebsocketCommunicator
from django.conf import settings

from consoles.text.broker import TextBroker
from guests.inventory.models import Guest
from tests.consoles.conftest import Person
from tests.consoles.text.conftest import FakeLink
from tests.consoles.text.fake_stream import until

Dial = Callable[..., Awaitable[WebsocketCommunicator]]
OURS = "http://127.0.0.1:8000"
NO_ORIGIN: list[tuple[bytes, bytes]] = []


@pytest.fixture(autouse=True)
def places(socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "CONSOLE_SOCKET", socket_path)
    monkeypatch.setattr(settings, "ORIGINS", [OURS, "http://localhost:8000"])


@pytest_asyncio.fixture
async def dial(guest: Guest) -> AsyncIterator[Dial]:
    from dashboard.asgi import application  # after the settings of tests are made

    dialled: list[WebsocketCommunicator] = []

    async def dial(
        person: Person | None,
        *,
        path: str | None = None,
        origins: tuple[str, ...] = (OURS,),
    ) -> WebsocketCommunicator:
        headers = [(b"origin", origin.encode()) for origin in origins]
        if person:
            key = await asyncio.to_thread(lambda: person.session_key)
            headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={key}".encode()))
        communicator = WebsocketCommunicator(application, path or f"/ws/guests/{guest.pk}/text/serial0/", headers)
        dialled.append(communicator)
        return communicator

    yield dial
    for communicator in dialled:
        await communicator.disconnect()


async def close_code(socket: WebsocketCommunicator) -> int:
    """The code of a socket that was accepted, and sent nothing before it was closed."""
    accepted, _ = await socket.connect(timeout=5)
    assert accepted
    event: Any = await socket.receive_output(timeout=5)
    assert event["type"] == "websocket.close"
    return int(event["code"])


async def status(socket: WebsocketCommunicator, word: str) -> Any:
    while True:
        message = await socket.receive_from(timeout=5)
        assert isinstance(message, bytes)
        if message[0] == 2 and word in (values := json.loads(message[1:])):
            return values[word]


@pytest.mark.parametrize(
    "origins",
    [
        (),
        ("null",),
        ("https://evil.example",),
        ("http://127.0.0.1:8001",),
        ("https://127.0.0.1:8000",),
        ("http://127.0.0.1",),
        ("http://127.0.0.1:8000.evil.example",),
        (OURS, OURS),
    ],
)
async def test_a_foreign_or_missing_origin_is_refused_before_the_upgrade(
    dial: Dial, person: Callable[..., Person], origins: tuple[str, ...]
) -> None:
    socket = await dial(await asyncio.to_thread(person), origins=origins)
    accepted, _ = await socket.connect(timeout=5)
    assert not accepted


async def test_nobody_gets_a_socket_without_signing_in(dial: Dial) -> None:
    for path in (None, "/ws/live/", "/ws/anything/"):
        accepted, _ = await (await dial(None, path=path)).connect(timeout=5)
        assert not accepted


async def test_a_disabled_person_is_refused_before_the_upgrade(dial: Dial, person: Callable[..., Person]) -> None:
    ana = await asyncio.to_thread(person)
    ana.user.is_active = False
    await asyncio.to_thread(ana.user.save)
    accepted, _ = await (await dial(ana)).connect(timeout=5)
    assert not accepted


async def test_a_guest_that_may_not_be_seen_answers_like_one_that_is_not_there(
    dial: Dial, person: Callable[..., Person]
) -> None:
    ana = await asyncio.to_thread(lambda: person(role=None))
    assert await close_code(await dial(ana)) == 4404
    assert (
        await close_code(await dial(ana, path="/ws/guests/5f3c1b0e-0000-4000-8000-0000000000ff/text/serial0/")) == 4404
    )


async def test_a_device_that_is_not_there_is_not_found(dial: Dial, person: Callable[..., Person], guest: Guest) -> None:
    ana = await asyncio.to_thread(person)
    assert await close_code(await dial(ana, path=f"/ws/guests/{guest.pk}/text/serial7/")) == 4404


async def test_a_test_host_has_no_text_console(dial: Dial, person: Callable[..., Person], guest: Guest) -> None:
    ana = await asyncio.to_thread(person)
    guest.host.uri = "test:///default"
    await asyncio.to_thread(guest.host.save)
    assert await close_code(await dial(ana)) == 4404


async def test_no_other_socket_exists(dial: Dial, person: Callable[..., Person]) -> None:
    assert await close_code(await dial(await asyncio.to_thread(person), path="/ws/nothing/")) == 4404


async def test_without_a_console_server_the_browser_is_asked_to_come_back(
    dial: Dial, person: Callable[..., Person]
) -> None:
    assert await close_code(await dial(await asyncio.to_thread(person))) == 4503


async def test_output_goes_down_and_keys_go_up(
    dial: Dial, person: Callable[..., Person], broker: TextBroker, link: FakeLink
) -> None:
    socket = await dial(await asyncio.to_thread(person))
    assert (await socket.connect(timeout=5))[0]
    assert await status(socket, "mode") == "control"
    assert await status(socket, "state") == "live"
    link.host.stream.says(b"login: ")
    assert await socket.receive_from(timeout=5) == bytes(9) + b"login: "
    await socket.send_to(bytes_data=b"\x00root\r")
    await until(lambda: link.host.stream.typed == b"root\r")


async def test_a_watcher_is_told_so_and_types_nothing(
    dial: Dial, person: Callable[..., Person], broker: TextBroker, link: FakeLink
) -> None:
    socket = await dial(await asyncio.to_thread(lambda: person(role="watcher")))
    assert (await socket.connect(timeout=5))[0]
    assert await status(socket, "mode") == "watch"
    assert await status(socket, "state") == "live"
    await socket.send_to(bytes_data=b"\x00root\r")
    await asyncio.sleep(0.1)
    assert link.host.stream.typed == b""


@pytest.mark.parametrize("message", [b"", b"\x10{}", b"\x09"])
async def test_who_breaks_the_protocol_is_sent_away(
    dial: Dial, person: Callable[..., Person], broker: TextBroker, message: bytes
) -> None:
    socket = await dial(await asyncio.to_thread(person))
    assert (await socket.connect(timeout=5))[0]
    await status(socket, "state")
    await socket.send_to(bytes_data=message) if message else await socket.send_to(text_data="{}")
    event: Any = {"type": ""}
    while event["type"] != "websocket.close":
        event = await socket.receive_output(timeout=5)
    assert event["code"] == 4400


async def test_a_message_over_64_kib_ends_it_with_a_code_of_its_own(
    dial: Dial, person: Callable[..., Person], broker: TextBroker, link: FakeLink
) -> None:
    socket = await dial(await asyncio.to_thread(person))
    assert (await socket.connect(timeout=5))[0]
    await status(socket, "state")
    await socket.send_to(bytes_data=b"\x00" + bytes(64 * 1024 + 1))
    event: Any = {"type": ""}
    while event["type"] != "websocket.close":
        event = await socket.receive_output(timeout=5)
    assert event["code"] == 4413
    assert all(stream.typed == b"" for stream in link.host.streams)


async def test_the_sentence_of_a_refusal_comes_before_its_code(
    dial: Dial, person: Callable[..., Person], broker: TextBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "CONSOLES_PER_USER", 0)
    socket = await dial(await asyncio.to_thread(person))
    assert (await socket.connect(timeout=5))[0]
    assert await status(socket, "sentence") == "You have too many consoles open. Close one of them first."
    event: Any = await socket.receive_output(timeout=5)
    assert event["code"] == 4421


async def test_a_browser_that_comes_back_says_where_it_was(
    dial: Dial, person: Callable[..., Person], broker: TextBroker, link: FakeLink, guest: Guest
) -> None:
    ana = await asyncio.to_thread(person)
    first = await dial(ana)
    assert (await first.connect(timeout=5))[0]
    ring = await status(first, "ring")
    await until(lambda: link.host.streams)
    link.host.stream.says(b"one\r\n")
    link.host.stream.says(b"two\r\n")
    back = await dial(ana, path=f"/ws/guests/{guest.pk}/text/serial0/?ring={ring}&after=5")
    assert (await back.connect(timeout=5))[0]
    assert await status(back, "resumed") is True
    assert await back.receive_from(timeout=5) == b"\x01" + (5).to_bytes(8, "big") + b"two\r\n"


async def test_the_end_of_the_console_server_asks_the_browser_to_come_back(
    dial: Dial, person: Callable[..., Person], broker: TextBroker
) -> None:
    socket = await dial(await asyncio.to_thread(person))
    assert (await socket.connect(timeout=5))[0]
    await status(socket, "state")
    await broker.stop()
    event: Any = {"type": ""}
    while event["type"] != "websocket.close":
        event = await socket.receive_output(timeout=5)
    assert event["code"] == 4503
