"""Output comes in many small pieces, from libvirt's event thread; everybody who looks is told of it in the loop.

At once where the line was quiet, so that an echo is not late; else with the next beat, so that a flood costs little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

BEAT_SECONDS = 0.008  # output within this of the last time waits for the next one
BEAT_BYTES = 16 * 1024  # … but not if it is this much


def soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """In the loop, from any thread; nowhere once the loop is closed."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


class Gathering:
    """Calls `tell` in the loop after output came."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tell: Callable[[], None]) -> None:
        self._loop = loop
        self._tell = tell
        self._asked = False  # the loop will look
        self._untold = 0
        self._told_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def came(self, size: int) -> None:
        """So many bytes came and can be read. From any thread; one at a time."""
        before = self._untold
        self._untold = before + size
        if not self._asked or before < BEAT_BYTES <= self._untold:
            self._asked = True
            soon(self._loop, self._look)

    def _look(self) -> None:
        wait = self._told_at + BEAT_SECONDS - self._loop.time()
        if wait <= 0 or self._untold >= BEAT_BYTES:
            self.tell_now()
        elif self._timer is None:
            self._timer = self._loop.call_later(wait, self.tell_now)

    def tell_now(self) -> None:
        """Without waiting for the beat; in the loop."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._told_at = self._loop.time()
        self._asked = False  # before anything is read: what comes from now on asks again
        self._untold = 0
        self._tell()
