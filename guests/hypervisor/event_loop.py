"""libvirt's event loop: one daemon thread per process, registered before the first connection is opened.

What libvirt calls back while it is being taken away is the danger here: `in_event_loop` runs a removal between two
callbacks, and the loop ends before the interpreter does.
"""

from __future__ import annotations

import atexit
import functools
import logging
import queue
import threading
import time
from collections.abc import Callable

import libvirt

logger = logging.getLogger(__name__)

END_SECONDS = 1.0
DISABLED, AT_ONCE = -1, 0  # milliseconds of a timeout


def _ignore(_context: object, _error: object) -> None:
    """Libvirt prints each error on stderr unless a handler is there; ours are raised and translated."""


class _EventLoop:
    """The thread, and what it is asked to do between two callbacks."""

    def __init__(self) -> None:
        libvirt.registerErrorHandler(_ignore, None)
        libvirt.virEventRegisterDefaultImpl()
        self._asked: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]] = queue.SimpleQueue()
        self._ending = False
        self._timer = libvirt.virEventAddTimeout(DISABLED, self._work, None)
        self._thread = threading.Thread(target=self._run, name="libvirt-events", daemon=True)
        self._thread.start()
        # After the interpreter's end a callback into Python is a crash; handlers of atexit run before it.
        atexit.register(self.end)

    def ask(self, call: Callable[[], None]) -> threading.Event:
        """Run `call` in the loop's thread; the answer is set when it is done."""
        done = threading.Event()
        self._asked.put((call, done))
        libvirt.virEventUpdateTimeout(self._timer, AT_ONCE)
        return done

    def end(self) -> None:
        """Call nothing back any more. For the end of the process only: keepalive ends, too."""
        self.ask(self._stop)
        self._thread.join(END_SECONDS)

    def _stop(self) -> None:
        self._ending = True

    def _work(self, timer: int, _opaque: object) -> None:
        libvirt.virEventUpdateTimeout(timer, DISABLED)
        while True:
            try:
                call, done = self._asked.get_nowait()
            except queue.Empty:
                return
            try:
                call()
            except Exception:
                logger.exception("a call in libvirt's event thread failed")
            done.set()

    def _run(self) -> None:
        while not self._ending:
            try:
                libvirt.virEventRunDefaultImpl()
            except libvirt.libvirtError:
                logger.exception("libvirt's event loop failed; it goes on")
                time.sleep(0.1)


@functools.cache
def _loop() -> _EventLoop:
    return _EventLoop()


def start_event_loop() -> None:
    """Start the loop once per process; without it keepalive, events and streams do not work. Do not fork after it."""
    _loop()


def in_event_loop(call: Callable[[], None], seconds: float = END_SECONDS) -> bool:
    """Run `call` in the event thread while no callback runs, and wait: whether it was done within `seconds`.

    It may not wait for anything. Never call this from the event thread itself.
    """
    return _loop().ask(call).wait(seconds)
