"""A response that is streamed waits for its browser: daphne itself would keep in memory whatever is not taken."""

from __future__ import annotations

import asyncio
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer  # type: ignore[import-untyped]


@implementer(IPushProducer)
class Drain:
    """Stands between one HTTP response and its socket: `writable` is clear while the socket's buffer is full."""

    def __init__(self) -> None:
        self.writable = asyncio.Event()
        self.writable.set()

    def pauseProducing(self) -> None:
        """The buffer is full."""
        self.writable.clear()

    def resumeProducing(self) -> None:
        """It has room again."""
        self.writable.set()

    def stopProducing(self) -> None:
        """The browser is gone: nobody needs to wait."""
        self.writable.set()


def drain_of(request: Any) -> Drain:
    """The drain of a response under way, made with its first piece."""
    if request.producer is None:
        request.registerProducer(Drain(), True)
    drain: Drain = request.producer
    return drain
