"""Attempts that may never end by themselves, each in a daemon thread that can be left behind; a bounded number."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Attempt(Generic[_T]):
    """One attempt to make something. What comes too late is discarded."""

    def __init__(self, make: Callable[[], _T], discard: Callable[[_T], None], slot: threading.Semaphore) -> None:
        """`slot` was acquired by the caller; it is released when the attempt ends, left behind or not."""
        self._make = make
        self._discard = discard
        self._slot = slot
        self._lock = threading.Lock()
        self._left_behind = False
        self._made: list[_T] = []
        self._error: Exception | None = None
        self._done = threading.Event()
        threading.Thread(target=self._run, name="libvirt-open", daemon=True).start()

    def _run(self) -> None:
        try:
            made = self._make()
            with self._lock:
                self._made.append(made)
                left_behind = self._left_behind
            if left_behind:
                self._discard(made)
        except Exception as error:
            self._error = error
        finally:
            self._slot.release()
            self._done.set()

    @property
    def is_over(self) -> bool:
        """Whether the thread came back, left behind or not."""
        return self._done.is_set()

    def wait(self, seconds: float) -> _T:
        """What was made, or the error that the attempt raised; TimeoutError when it was left behind."""
        self._done.wait(seconds)
        with self._lock:
            if not self._made and self._error is None:
                self._left_behind = True
                raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._made[0]


class Slots:
    """How many attempts for one address may be under way in this process."""

    def __init__(self, each: int) -> None:
        self._lock = threading.Lock()
        self._slots: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(each))

    def of(self, address: str) -> threading.Semaphore:
        """The semaphore of an address."""
        with self._lock:
            return self._slots[address]
