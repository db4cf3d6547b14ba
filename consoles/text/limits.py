"""What one viewer may do in how much time: input a second, a console's length, and how long nobody touches it."""

from __future__ import annotations

import time
from dataclasses import dataclass

INPUT_BYTES_PER_SECOND = 256 * 1024
LOST_BYTES = 2 * 1024 * 1024  # typed beyond the rate within LOST_SECONDS: this is no person
LOST_SECONDS = 10.0
WARNING_SECONDS = 60.0  # before a console is ended by the clock


class InputAllowance:
    """A bucket that fills with a second's worth of input."""

    def __init__(self) -> None:
        self._left = float(INPUT_BYTES_PER_SECOND)
        self._at = time.monotonic()
        self._lost = 0
        self._lost_since = 0.0

    def take(self, content: bytes) -> bytes:
        """The part of it that may pass now."""
        now = time.monotonic()
        earned = (now - self._at) * INPUT_BYTES_PER_SECOND
        self._left = min(self._left + earned, float(INPUT_BYTES_PER_SECOND))
        self._at = now
        allowed = content[: int(self._left)]
        self._left -= len(allowed)
        if lost := len(content) - len(allowed):
            if now - self._lost_since > LOST_SECONDS:
                self._lost, self._lost_since = 0, now
            self._lost += lost
        return allowed

    @property
    def is_abused(self) -> bool:
        """Whether far more came than passed."""
        return self._lost > LOST_BYTES


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a console will be ended by the clock."""

    why: str  # idle or long
    in_seconds: float


class ConsoleClock:
    """How long a console may stay open. Seconds; 0 is without a limit."""

    def __init__(self, longest: float, idle: float) -> None:
        self._longest, self._idle = longest, idle
        self._began = self._touched = time.monotonic()

    def touch(self) -> None:
        """Somebody is there."""
        self._touched = time.monotonic()

    def ending(self, now: float, *, controls: bool) -> Ending | None:
        """The end that comes first; a watcher has no idle one: it costs nobody the keyboard."""
        ends = []
        if self._longest:
            ends.append(Ending("long", self._began + self._longest - now))
        if self._idle and controls:
            ends.append(Ending("idle", self._touched + self._idle - now))
        return min(ends, key=lambda end: end.in_seconds, default=None)
