"""The websocket of a text console, in the web process: decides who may come, then passes messages on.

A plain ASGI callable: Channels' consumers hop through one shared thread before every message, so that a keystroke waits
for another consumer's database call (measured: 295 ms). Here the database is asked once, before the first message.
Console bytes go through no channel layer; what is on its way to a browser is bounded by the broker's credit window,
because daphne's own send queue is not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser

from consoles.close_codes import CloseCode, ConsoleRefused
from consoles.models import Mode
from consoles.sessions import session_hash
from consoles.text import protocol
from consoles.text.consoles_of import has_text_consoles, text_consoles_of
from consoles.text.protocol import Hello, MessageTooLong, ProtocolError, ToBrowser, Unpacker
from guests.access import Action, may, visible_to

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Daphne's websocket library sends 1000 and 3000 to 4999 only, and turns every other code into 1011.
TRY_AGAIN_LATER = 4503  # the console server is not there (yet)
BAD_MESSAGE = 4400
SENDABLE = {int(CloseCode.GOING_AWAY): TRY_AGAIN_LATER, int(CloseCode.PROTOCOL): BAD_MESSAGE}
READ_BYTES = 64 * 1024
UNSENT_BYTES = 512 * 1024  # the broker reads at once: more than this is a flood


async def text_console(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI application of /ws/guests/<uuid>/text/<device>/. `SignedInSockets` let in a person from our own origin."""
    if (await receive())["type"] != "websocket.connect":
        return
    try:
        hello = await database_sync_to_async(_hello)(scope)
    except ConsoleRefused as refusal:
        await _refuse(send, refusal.close_code)
        return
    try:
        reader, writer = await asyncio.open_unix_connection(settings.CONSOLE_SOCKET)
    except OSError:
        await _refuse(send, TRY_AGAIN_LATER)
        return
    try:
        await send({"type": "websocket.accept"})
        writer.write(protocol.packed(hello.message()))
        await _relay(reader, writer, receive, send)
    finally:
        writer.close()


async def _refuse(send: Send, code: int) -> None:
    """A browser learns a close code only from a socket that was accepted."""
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": int(code)})


def _hello(scope: Scope) -> Hello:
    """In a thread: who comes, to what, in which mode. The broker asks the database again when it opens the session."""
    user: AbstractBaseUser = scope["user"]
    arguments = scope["url_route"]["kwargs"]
    guest = visible_to(user, Action.SEE).select_related("host").filter(pk=arguments["guest_id"], gone_at=None).first()
    if guest is None:
        raise ConsoleRefused(CloseCode.NOT_FOUND, "no such guest")
    if not may(user, Action.WATCH, guest):
        raise ConsoleRefused(CloseCode.NOT_ALLOWED, "may not watch")
    device = arguments["device"]
    if not has_text_consoles(guest.host) or device not in {c.device for c in text_consoles_of(guest)}:
        raise ConsoleRefused(CloseCode.NOT_FOUND, "no such console")
    ring, after = _resume(scope["query_string"])
    return Hello(
        user_id=user.pk,
        session_hash=session_hash(scope["session"].session_key),
        guest_id=guest.pk,
        device=device,
        mode=str(Mode.CONTROL if may(user, Action.TYPE, guest) else Mode.WATCH),
        peer=(scope.get("client") or [""])[0],
        language=scope.get("cookies", {}).get(settings.LANGUAGE_COOKIE_NAME, settings.LANGUAGE_CODE)[:10],
        ring=ring,
        after=after,
    )


def _resume(query: bytes) -> tuple[str, int]:
    """`?ring=…&after=…`: where this browser was before; nothing where it says something odd."""
    values = parse_qs(query.decode("ascii", "replace")[:200])
    ring, after = values.get("ring", [""])[0], values.get("after", [""])[0]
    if not ring.isalnum() or len(ring) > 32 or not (after.isascii() and after.isdigit()) or len(after) > 18:
        return "", 0
    return ring, int(after)


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, receive: Receive, send: Send) -> None:
    """Until either side ends."""
    down = asyncio.create_task(_to_browser(reader, send))
    up = asyncio.create_task(_from_browser(receive, writer))
    try:
        await asyncio.wait({down, up}, return_when=asyncio.FIRST_COMPLETED)
        if up.done() and not down.done():
            code = up.result()
            if code is not None:
                await send({"type": "websocket.close", "code": code})
    finally:
        for task in (down, up):
            task.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await task


async def _to_browser(reader: asyncio.StreamReader, send: Send) -> None:
    """Pass messages on until the broker closes; its end without a word is a restart, and the browser tries again."""
    unpacker = Unpacker()
    while content := await _read(reader):
        for message in unpacker.feed(content):
            if message[0] == ToBrowser.CLOSE:
                code, sentence = protocol.parse_close(message)
                if code not in SENDABLE:  # after those the browser comes back by itself, or is at fault
                    await send({"type": "websocket.send", "bytes": protocol.status(closing=code, sentence=sentence)})
                await send({"type": "websocket.close", "code": SENDABLE.get(code, code)})
                return
            await send({"type": "websocket.send", "bytes": message})
    await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(READ_BYTES)
    except OSError:
        return b""


async def _from_browser(receive: Receive, writer: asyncio.StreamWriter) -> int | None:
    """Pass messages on; the close code where the browser breaks the protocol, None where it left."""
    while True:
        event = await receive()
        if event["type"] != "websocket.receive":
            return None
        try:
            message = protocol.checked(event.get("bytes") or b"")
        except MessageTooLong:
            return int(CloseCode.TOO_LONG)
        except ProtocolError:
            return BAD_MESSAGE
        if writer.is_closing():
            return None
        writer.write(protocol.packed(message))
        if writer.transport.get_write_buffer_size() > UNSENT_BYTES:
            return int(CloseCode.TOO_SLOW)
