"""How often somebody may do something: a bucket for each person or address, in the memory of one process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from ipaddress import ip_address, ip_network

KEYS = 20_000  # remembered at once; whoever was not here for longest is forgotten first


class Rate:
    """So many a minute, as many at once; what was not used comes back evenly.

    >>> rate = Rate(lambda: 2)
    >>> rate.take("anna"), rate.take("anna"), rate.take("anna") > 0
    (0.0, 0.0, True)
    """

    def __init__(self, per_minute: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # key → what was left, and when
        self._lock = threading.Lock()

    def take(self, key: Hashable) -> float:
        """Take one: 0.0, or how many seconds to wait until there is one."""
        with self._lock:
            left, now = self._now(key)
            wait = self._seconds_until_one(left)
            self._left[key] = (left if wait else left - 1, now)
            self._left.move_to_end(key)
            while len(self._left) > KEYS:
                self._left.popitem(last=False)
        return wait

    def wait(self, key: Hashable) -> float:
        """How many seconds until there is one; takes none."""
        with self._lock:
            return self._seconds_until_one(self._now(key)[0])

    def forget(self) -> None:
        """As if nobody had ever been here."""
        with self._lock:
            self._left.clear()

    def _now(self, key: Hashable) -> tuple[float, float]:
        now, most = time.monotonic(), self._per_minute()
        left, then = self._left.get(key, (most, now))
        return min(most, left + (now - then) * most / 60), now

    def _seconds_until_one(self, left: float) -> float:
        return 0.0 if left >= 1 else (1 - left) * 60 / max(self._per_minute(), 0.001)


def neighbourhood(address: str) -> str:
    """What one person can choose addresses from: an IPv4 address itself, of IPv6 its /64."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(known) if known.version == 4 else str(ip_network((known, 64), strict=False))
