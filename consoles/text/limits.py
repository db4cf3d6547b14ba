"""How much one viewer may type in how much time."""

from __future__ import annotations

import time

INPUT_BYTES_PER_SECOND = 256 * 1024
LOST_BYTES = 2 * 1024 * 1024  # typed beyond the rate within LOST_SECONDS: this is no person
LOST_SECONDS = 10.0


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
