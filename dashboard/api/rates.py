"""How often something may be done in a minute."""

from __future__ import annotations

import time
from collections.abc import Hashable
from threading import Lock


class RateLimit:
    """So many in a minute for each key, at once or spread: a bucket that fills again steadily. Of this process."""

    MOST_KEYS = 10_000

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._buckets: dict[Hashable, tuple[float, float]] = {}  # what is left, and when that was so
        self._lock = Lock()

    def take(self, key: Hashable, now: float | None = None) -> float:
        """Take one and answer 0.0, or answer how many seconds there are to wait."""
        now = time.monotonic() if now is None else now
        per_second = self.per_minute / 60
        with self._lock:
            left, at = self._buckets.get(key, (float(self.per_minute), now))
            left = min(float(self.per_minute), left + (now - at) * per_second)
            if left < 1:
                return (1 - left) / per_second
            if len(self._buckets) >= self.MOST_KEYS and key not in self._buckets:
                self._buckets = {k: v for k, v in self._buckets.items() if now - v[1] < 60}  # the others are full again
            self._buckets[key] = (left - 1, now)
            return 0.0
