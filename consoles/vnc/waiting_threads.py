"""Threads that wait, each for a connection of its own: none has to be started while a person waits for a screen.

Whichever the kernel wakes takes the connection and serves it to its end, in one piece: no other thread hands it over.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

STACK_BYTES = 256 << 10
MOST, FEW = 6, 2  # that wait: with so few left, they become so many again
AGAIN_SECONDS = 0.05  # after a connection that could not be taken: out of descriptors, this would be a busy loop


class WaitingThreads:
    """`take` waits for a connection and gives what is to be done with it; OSError where it cannot be had."""

    def __init__(self, take: Callable[[], Callable[[], None]], name: str) -> None:
        self._take = take
        self._name = name
        self._lock = threading.Lock()
        self._waiting = 0
        self._few = threading.Semaphore(0)
        self._stopping = False
        self._keeper = threading.Thread(target=self._keep, name=f"{name}-keeper", daemon=True)

    def start(self) -> None:
        """Begin to wait."""
        self._keeper.start()
        self._few.release()

    def stop(self) -> None:
        """Take nothing more; those who wait have to be woken. What is being served goes on."""
        self._stopping = True
        self._few.release()
        self._keeper.join(timeout=5)

    def _keep(self) -> None:
        while self._few.acquire() and not self._stopping:
            try:
                while self._waiting < MOST:
                    self._start_one()
            except RuntimeError as error:  # the system gives no more threads: those that come back will do
                logger.error("no thread can be started: %s", error)

    def _start_one(self) -> None:
        # Process-wide, so put back at once: other threads keep the system's size.
        before = threading.stack_size(STACK_BYTES)
        try:
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()
        finally:
            threading.stack_size(before)
        with self._lock:
            self._waiting += 1

    def _serve(self) -> None:
        while not self._stopping:
            try:
                serve = self._take()
            except OSError as error:
                if not self._stopping:
                    logger.warning("a connection could not be taken: %s", error)
                    time.sleep(AGAIN_SECONDS)
                continue
            with self._lock:
                self._waiting -= 1
                few = self._waiting <= FEW
            if few:
                self._few.release()
            serve()
            with self._lock:
                if self._waiting >= MOST:
                    return
                self._waiting += 1
