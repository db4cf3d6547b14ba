"""/ws/live/: tells a page which guests, hosts and operations changed, so that it fetches those fragments again.

A message is JSON text: {"guests": [ids], "hosts": [names], "operations": [ids], "since": "12.5"}; only what the person
may see. `?since=` names the moment that the page was made, or the last that it was told: what changed after it comes
first. The browser sends nothing. Close codes: 4401 signed out, 4403 account switched off.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import parse_qs

from django.urls import path

from dashboard.hints import HintHub, Moment, Viewer

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class LiveHints:
    """A raw ASGI application: no thread hop and no consumer class between a hint and the socket."""

    def __init__(self) -> None:
        self.hub = HintHub()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        await send({"type": "websocket.accept"})
        since = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("since", [""])[0]
        viewer = Viewer(
            user_id=scope["user"].pk,
            session_key=scope["session"].session_key or "",
            since=Moment.from_text(since),
            loop=asyncio.get_running_loop(),
        )
        self.hub.add(viewer)
        sender = asyncio.create_task(_send_hints(viewer, send))
        try:
            while (await receive())["type"] != "websocket.disconnect":
                pass
        finally:
            self.hub.remove(viewer)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender


async def _send_hints(viewer: Viewer, send: Send) -> None:
    """Send what is pending whenever there is something; what comes while one message is sent goes into the next."""
    while True:
        await viewer.wake.wait()
        viewer.wake.clear()
        if viewer.ended:
            await send({"type": "websocket.close", "code": int(viewer.ended)})
            return
        pending, viewer.pending = viewer.pending, {}
        message: dict[str, Any] = {kind: sorted(ids) for kind, ids in pending.items()}
        message["since"] = viewer.moment
        await send({"type": "websocket.send", "text": json.dumps(message, separators=(",", ":"))})


hints = LiveHints()
websocket_urlpatterns: list[Any] = [path("ws/live/", cast("Any", hints))]
