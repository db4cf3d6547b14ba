"""How long to wait before the next attempt."""

from __future__ import annotations

import random

FIRST_SECONDS = 0.25
MOST_SECONDS = 10.0


class Backoff:
    """0.25 s, doubling to 10 s, each shortened by up to a quarter so that many hosts do not come back in step."""

    def __init__(self) -> None:
        self._seconds = FIRST_SECONDS

    def reset(self) -> None:
        """After a success."""
        self._seconds = FIRST_SECONDS

    def next_seconds(self) -> float:
        """The wait before the next attempt."""
        seconds = self._seconds
        self._seconds = min(MOST_SECONDS, seconds * 2)
        return seconds * (1 - random.random() / 4)  # noqa: S311 no secret
