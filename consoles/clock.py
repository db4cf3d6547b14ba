"""How long a console may be open, and how long nobody may touch it: for text and graphical ones."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings

WARNING_SECONDS = 60.0  # before a console is ended by the clock; at most half of the time that it has


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a console will be ended by the clock."""

    why: str  # idle or long
    in_seconds: float
    of_seconds: float  # the whole time

    @property
    def is_near(self) -> bool:
        """Whether it is time to tell."""
        return self.in_seconds <= min(WARNING_SECONDS, self.of_seconds / 2)


class ConsoleClock:
    """How long one console may stay open, by the settings; 0 there is without a limit."""

    def __init__(self) -> None:
        self._longest, self._idle = settings.CONSOLE_HOURS * 3600, settings.CONSOLE_IDLE_MINUTES * 60
        self._began = self._touched = time.monotonic()

    def touch(self) -> None:
        """Somebody is there."""
        self._touched = time.monotonic()

    def ending(self, now: float, *, controls: bool) -> Ending | None:
        """The end that comes first; a watcher has no idle one: it costs nobody the keyboard."""
        ends = []
        if self._longest:
            ends.append(Ending("long", self._began + self._longest - now, self._longest))
        if self._idle and controls:
            ends.append(Ending("idle", self._touched + self._idle - now, self._idle))
        return min(ends, key=lambda end: end.in_seconds, default=None)
