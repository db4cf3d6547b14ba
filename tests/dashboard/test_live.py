"""/ws/live/: hints of what changed, to whom may see it, and an end with the right to look."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connections, transaction
from django.urls import path

from dashboard.hints import Moment
from dashboard.live import LiveHints
from dashboard.sockets import SignedInSockets
from guests.access.models import Grant, Role
from guests.inventory.changes import Feed, announce, next_revision
from guests.inventory.models import Guest, Host
from guests.operations.models import Operation
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in

pytestmark = pytest.mark.django_db(transaction=True)
QUIET_S = 0.4
ORIGIN = b"http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
def our_origin(settings: Any) -> None:
    settings.ORIGINS = [ORIGIN.decode()]


def touch(*rows: Guest | Host | Operation) -> float:
    """Change rows as the worker does, and say when it was committed."""
    with transaction.atomic():
        for row in rows:
            row.revision = next_revision(Feed.OPERATIONS if isinstance(row, Operation) else Feed.INVENTORY)
            row.save()
    return time.monotonic()


async def in_thread(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    def run() -> Any:
        try:
            return function(*arguments, **named)
        finally:
            connections.close_all()  # the thread is one of a pool: what it opened would stay open

    return await sync_to_async(run, thread_sensitive=False)()


def session_of(user: User) -> str:
    client = signed_in(user)
    return str(client.cookies["guesthouse_session"].value)


@asynccontextmanager
async def live(
    session: str, since: str = "", application: LiveHints | None = None
) -> AsyncIterator[WebsocketCommunicator]:
    """A socket that the hub knows."""
    hints = application or LiveHints()
    communicator = WebsocketCommunicator(
        SignedInSockets(URLRouter([path("ws/live/", hints)])),  # type: ignore[list-item]
        f"/ws/live/?since={since}",
        headers=[(b"origin", ORIGIN), (b"cookie", f"guesthouse_session={session}".encode())],
    )
    connected, _protocol = await communicator.connect(timeout=5)
    assert connected
    viewer = next(iter(hints.hub._viewers))
    for _ in range(200):
        if viewer.ready:
            break
        await asyncio.sleep(0.02)
    assert viewer.ready
    try:
        yield communicator
    finally:
        await communicator.disconnect()
        assert not hints.hub._viewers
        await in_thread(hints.hub.stop)


async def hint(communicator: WebsocketCommunicator) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await communicator.receive_from(timeout=5))
    return message


async def test_a_change_is_hinted_at_once_with_guest_and_host() -> None:
    host = await in_thread(make_host)
    guest = await in_thread(make_guest, host, "web-1")
    async with live(await in_thread(lambda: session_of(person("ada", superuser=True)))) as socket:
        committed = await in_thread(touch, guest, host)
        message = await hint(socket)
        assert time.monotonic() - committed < 0.5
        assert message["guests"] == [str(guest.pk)] and message["hosts"] == ["kvm-01"]
        assert Moment.from_text(message["since"]) == await in_thread(Moment.now)


async def test_operations_are_hinted_by_id() -> None:
    host = await in_thread(make_host)
    guest = await in_thread(make_guest, host, "web-1")
    operation = await in_thread(
        Operation.objects.create, kind="pause", host=host, guest=guest, asked_by_name="x", idempotency_key="k"
    )
    async with live(await in_thread(lambda: session_of(person("ada", superuser=True)))) as socket:
        await in_thread(touch, operation)
        assert (await hint(socket))["operations"] == [str(operation.pk)]


async def test_nobody_hears_of_guests_hosts_and_operations_that_they_may_not_see() -> None:
    host, other = await in_thread(make_host), await in_thread(make_host, "kvm-02")
    mine, hidden = await in_thread(make_guest, host, "mine"), await in_thread(make_guest, other, "hidden")
    operation = await in_thread(
        Operation.objects.create, kind="pause", host=other, guest=hidden, asked_by_name="x", idempotency_key="k"
    )
    user = await in_thread(person, "wat")
    await in_thread(grant, user, Role.WATCHER, guest=mine)
    async with live(await in_thread(session_of, user)) as socket:
        await in_thread(touch, hidden, other, operation)
        assert await socket.receive_nothing(timeout=QUIET_S)
        await in_thread(touch, mine, hidden)
        message = await hint(socket)
        assert message["guests"] == [str(mine.pk)] and not message["hosts"] and not message["operations"]


async def test_a_new_guest_is_hinted_to_who_may_see_its_host() -> None:
    host = await in_thread(make_host)
    user = await in_thread(person, "wat")
    await in_thread(grant, user, Role.WATCHER, host=host)
    async with live(await in_thread(session_of, user)) as socket:
        guest = await in_thread(make_guest, host, "new")
        await in_thread(touch, guest)
        assert (await hint(socket))["guests"] == [str(guest.pk)]


async def test_what_changed_between_the_page_and_its_socket_comes_first() -> None:
    host = await in_thread(make_host)
    guest = await in_thread(make_guest, host, "web-1")
    session = await in_thread(lambda: session_of(person("ada", superuser=True)))
    since = str(await in_thread(Moment.now))
    await in_thread(touch, guest)
    async with live(session, since) as socket:
        assert (await hint(socket))["guests"] == [str(guest.pk)]
    async with live(session, "nonsense.1") as socket:
        assert await socket.receive_nothing(timeout=QUIET_S)


async def test_a_right_that_is_taken_away_ends_its_hints_and_one_given_begins_them() -> None:
    host = await in_thread(make_host)
    guest = await in_thread(make_guest, host, "web-1")
    user = await in_thread(person, "wat")
    given = await in_thread(grant, user, Role.WATCHER, guest=guest)
    async with live(await in_thread(session_of, user)) as socket:
        await in_thread(touch, guest)
        assert (await hint(socket))["guests"]
        await in_thread(lambda: (given.delete(), announce(Feed.RIGHTS)))
        await in_thread(touch, guest)
        assert await socket.receive_nothing(timeout=QUIET_S)
        await in_thread(
            lambda: (Grant.objects.create(user=user, role=Role.WATCHER, scope="everything"), announce(Feed.RIGHTS))
        )
        await in_thread(touch, guest)
        assert (await hint(socket))["guests"] == [str(guest.pk)]


async def test_a_sign_out_closes_with_4401_and_a_switched_off_account_with_4403() -> None:
    for code in (4401, 4403):
        user = await in_thread(person, f"user-{code}")
        session = await in_thread(session_of, user)
        async with live(session) as socket:
            if code == 4401:
                await in_thread(Session.objects.filter(session_key=session).delete)
            else:
                await in_thread(User.objects.filter(pk=user.pk).update, is_active=False)
            await in_thread(announce, Feed.RIGHTS)
            output = await socket.receive_output(timeout=5)
            assert output == {"type": "websocket.close", "code": code}


async def test_a_changed_password_closes_the_old_session() -> None:
    user = await in_thread(person, "ada")
    async with live(await in_thread(session_of, user)) as socket:

        def change() -> None:
            user.set_password("another-long-one-2")
            user.save()
            announce(Feed.RIGHTS)

        await in_thread(change)
        assert (await socket.receive_output(timeout=5))["code"] == 4401


async def test_a_browser_that_sends_gets_nothing_for_it() -> None:
    async with live(await in_thread(lambda: session_of(person("ada", superuser=True)))) as socket:
        for _ in range(50):
            await socket.send_to(text_data="x" * 1000)
        assert await socket.receive_nothing(timeout=QUIET_S)


async def test_what_a_slow_socket_has_not_sent_is_merged() -> None:
    host = await in_thread(make_host)
    guests = [await in_thread(make_guest, host, f"g-{number}") for number in range(3)]
    hints = LiveHints()
    async with live(await in_thread(lambda: session_of(person("ada", superuser=True))), application=hints):
        viewer = next(iter(hints.hub._viewers))
        for _ in range(20):
            viewer._add({"guests": {str(guest.pk) for guest in guests}, "hosts": set(), "operations": set()}, "1.1")
        assert {kind: len(ids) for kind, ids in viewer.pending.items()} == {"guests": 3, "hosts": 0, "operations": 0}


@pytest.mark.parametrize("cookie", [b"", b"guesthouse_session=nonsense"])
async def test_strangers_are_refused_before_the_upgrade(cookie: bytes) -> None:
    hints = LiveHints()
    communicator = WebsocketCommunicator(
        SignedInSockets(URLRouter([path("ws/live/", hints)])),  # type: ignore[list-item]
        "/ws/live/",
        headers=[(b"origin", ORIGIN), (b"cookie", cookie)],
    )
    connected, _code = await communicator.connect(timeout=5)
    assert not connected and not hints.hub._viewers
