"""One thread that tells people what changed around them, so that nobody who comes waits until all others were told."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from consoles.sharing import TELL_SECONDS

logger = logging.getLogger(__name__)


class Telling:
    """Makes the calls that it is given a moment later, with `lock` taken; in its own thread."""

    def __init__(self, lock: threading.RLock, name: str) -> None:
        self._lock = lock
        self._asked = threading.Event()
        self._calls: deque[Callable[[], None]] = deque()
        self._closed = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def soon(self, call: Callable[[], None]) -> None:
        """Make it about TELL_SECONDS later; what is asked for until then is made with it."""
        self._calls.append(call)
        self._asked.set()

    def close(self) -> None:
        """Tell nothing more."""
        self._closed = True
        self._asked.set()

    def _run(self) -> None:
        while self._asked.wait() and not self._closed:
            time.sleep(TELL_SECONDS)
            with self._lock:
                self._asked.clear()
                while self._calls:
                    try:
                        self._calls.popleft()()
                    except Exception:
                        logger.exception("who is here could not be told")
