"""One browser at one guest's screen, as the other threads of the console server see it.

What they want of the relaying thread (its end, other rights, words for the page) is left here and a bell is rung; the
thread polls the bell beside its sockets. Every method but those of the relaying thread returns at once.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from typing import Protocol

from django.contrib.auth.models import AbstractBaseUser

from consoles.models import Mode
from consoles.sessions import LiveSession
from consoles.vnc.endings import Ending
from consoles.vnc.rfb_filter import Allowed
from guests.inventory.models import Guest


class Tap(Protocol):
    """Listens to what is relayed. Called in the relaying thread with every piece: must be quick and must not fail."""

    def shown(self, data: bytes) -> None:
        """The guest's VNC server sent these bytes to the browser; the first piece begins with ServerInit."""

    def asked(self, data: bytes) -> None:
        """These bytes of the browser passed the filter."""


class Visit:
    """Who is there, and what they may do now. `fileno()` becomes readable when the relaying thread is wanted."""

    def __init__(self, user: AbstractBaseUser, guest: Guest, mode: Mode | str, *, record: bool = False) -> None:
        self.id = str(uuid.uuid4())
        self.user = user
        self.guest = guest
        self.live: LiveSession | None = None  # once it is registered
        self.ending: Ending | None = None
        self.taps: tuple[Tap, ...] = ()  # replaced as a whole; a piece that is under way goes to the old ones
        self.heard: Callable[[bytes], None] | None = None  # gets the page's text messages, in the relaying thread
        self.powers: Callable[[int], bool] = lambda code: False  # whether an xvp message passes, in the relaying thread
        self.on_time: Callable[[bool], Ending | None] = lambda typed: None  # now and then, in the relaying thread
        self.wants_recording = record
        self.recording: dict[str, str] = {"state": "off", "sentence": ""}  # off, on, full or failed
        self.recording_changed: Callable[[], None] = lambda: None
        self._may_type = mode == Mode.CONTROL
        self._has_keyboard = True
        self._may_power = False
        self._words: dict[str, bytes] = {}
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._closed = False

    @property
    def mode(self) -> Mode:
        """The right that is there, whoever has the keyboard."""
        return Mode.CONTROL if self._may_type else Mode.WATCH

    @property
    def allowed(self) -> Allowed:
        """What the filter lets pass: who lost the right loses it whatever else is so."""
        return Allowed(typing=self._may_type and self._has_keyboard, power=self._may_power)

    def end(self, close_code: int, sentence: str) -> None:
        """Ask for the end; the first one to ask says why."""
        if self.ending is None:
            self.ending = Ending(int(close_code), sentence)
        self._ring()

    def become_watcher(self) -> None:
        """The right to type is lost, and with it what else a watcher has not; for good."""
        self._may_type = self._may_power = False
        self._ring()

    def give_keyboard(self, given: bool) -> None:
        """Whether this one of those who may type does so now. Taken away, every key and button held is released."""
        if given != self._has_keyboard:
            self._has_keyboard = given
            self._ring()

    def allow_power(self, allowed: bool) -> None:
        """Whether the page may shut down and reset by RFB's xvp messages."""
        self._may_power = allowed
        self._ring()

    def tell(self, about: str, words: bytes) -> None:
        """Send the page a text message (UTF-8); what was not yet sent about the same is replaced."""
        with self._lock:
            self._words[about] = words
        self._ring()

    def take_words(self) -> bytes | None:
        """For the relaying thread: the next message to the page, once."""
        with self._lock:
            return self._words.pop(next(iter(self._words))) if self._words else None

    def say_recording(self, state: str, sentence: str = "") -> None:
        """Whether what is shown is recorded, and why not any more; the page is told."""
        self.recording = {"state": state, "sentence": sentence}
        self.recording_changed()

    def fileno(self) -> int:
        return self._descriptor

    def answered(self) -> None:
        """For the relaying thread: silence the bell; call it before looking at what is wanted."""
        try:
            os.eventfd_read(self._descriptor)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Give the descriptor back; later rings do nothing."""
        with self._lock:
            self._closed = True
            os.close(self._descriptor)

    def _ring(self) -> None:
        with self._lock:
            if not self._closed:
                os.eventfd_write(self._descriptor, 1)
