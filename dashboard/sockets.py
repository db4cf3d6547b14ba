"""The gate of every websocket: an exact origin and a signed-in person, or HTTP 403 before the upgrade.

Whoever passes and is refused for any other reason is accepted, sent nothing, and closed with a code: a browser is told
a close code only of a socket that was open.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from channels.db import database_sync_to_async
from channels.sessions import SessionMiddlewareStack

from consoles.addresses import came_by_tls, client_address, from_our_origin
from consoles.close_codes import CloseCode
from consoles.handshakes import seconds_to_wait, was_refused
from consoles.rights import signed_in

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class SignedInSockets:
    """Wraps the router of all websocket routes."""

    def __init__(self, inner: Any) -> None:
        self._signed_in: Any = SessionMiddlewareStack(cast("Any", _OnlySignedIn(inner)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address, port = scope.get("client") or ("", 0)
        address = client_address(address, _header(scope, b"x-forwarded-for"))
        scope["client"] = [address, port]
        if seconds := seconds_to_wait(address):
            await _deny(receive, send, seconds=seconds)
            return
        if not from_our_origin(_values(scope, b"origin")) or not came_by_tls(_header(scope, b"x-forwarded-proto")):
            was_refused(address)
            await _deny(receive, send)
            return
        await self._signed_in(scope, receive, send)


class _OnlySignedIn:
    """Behind Channels' sessions: puts the person into `scope["user"]`."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["user"] = await database_sync_to_async(signed_in)(scope["session"].session_key or "")
        if scope["user"] is None:
            was_refused(scope["client"][0])
            await _deny(receive, send)
            return
        await self._inner(scope, receive, send)


def _header(scope: Scope, name: bytes) -> str:
    """Its last value, "" without one."""
    return next(reversed(_values(scope, name)), "")


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for found, value in scope.get("headers", []) if found.lower() == name]


async def _deny(receive: Receive, send: Send, *, seconds: int = 0) -> None:
    """HTTP 403 instead of the upgrade; with `seconds` 429 (`one_port.py` answers so to this code)."""
    if (await receive())["type"] == "websocket.connect":
        code = CloseCode.TOO_FAST if seconds else CloseCode.NOT_ALLOWED
        await send({"type": "websocket.close", "code": int(code), "reason": str(seconds or "")})


async def no_such_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Every other path: the last route."""
    if (await receive())["type"] == "websocket.connect":
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": int(CloseCode.NOT_FOUND)})
