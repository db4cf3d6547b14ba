"""The relay itself: bytes from the guest to the browser, filtered messages from the browser to the guest.

One thread, `poll` (select ends at descriptor 1024), bounded both ways: while the browser does not take what the guest
sent, nothing more is read from the guest, and the other way round. Holds no database connection.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum

from django.utils.translation import gettext as _

from consoles.close_codes import CloseCode
from consoles.sessions import LiveSession
from consoles.vnc.browser_socket import BrowserSocket
from consoles.vnc.endings import Ending
from consoles.vnc.frames import TEXT, BrokenFrame, FrameTooLong
from consoles.vnc.rfb import GREETING, BrowserAnswer
from consoles.vnc.rfb_filter import ClientFilter, ForbiddenMessage
from consoles.vnc.visit import Visit

CHUNK = 1 << 16  # bytes read from the guest at once, and the most that waits for the browser
TO_GUEST_LIMIT = 1 << 18  # with more waiting for the guest, the browser is not read
WORDS_LIMIT = 4096  # bytes of a text message from the page
PING_SECONDS = 20.0
SILENCE_SECONDS = 40.0


_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Gone(Enum):
    """Ends that need more looking into than the pump can do."""

    GUEST = "guest"  # its side closed


class Pump:
    """Relays until one side ends, the browser falls silent, or the visit shall end."""

    def __init__(self, browser: BrowserSocket, guest: socket.socket, visit: Visit, live: LiveSession) -> None:
        self._browser = browser
        self._guest = guest
        self._visit = visit
        self._live = live
        self._answer = BrowserAnswer()
        self._filter = ClientFilter(visit.allowed, visit.powers)
        self._pending: Callable[[], int] = getattr(guest, "pending", lambda: 0)  # bytes that TLS decrypted already
        self._to_guest = bytearray()
        self._poll = select.poll()
        self._watched: dict[int, int] = {}  # descriptor → events
        self._next_ping = time.monotonic() + PING_SECONDS

    def run(self) -> Ending | Gone:
        """Why it is over. Both sockets are left open. The guest has been greeted, the browser has not."""
        browser, guest, visit = self._browser, self._guest, self._visit
        browser.setblocking(False)
        guest.setblocking(False)
        browser_fd, guest_fd, bell_fd = browser.fileno(), guest.fileno(), visit.fileno()
        self._poll.register(bell_fd, select.POLLIN)
        browser.heard_at = time.monotonic()
        try:
            ending: Ending | Gone | None = self._to_browser(GREETING) or self._woken()  # the bell may have rung before
            while ending is None:
                self._watch(browser_fd, guest_fd)
                # Any event on a descriptor counts, also an error or a hang-up: the read or write then tells.
                for descriptor, events in self._poll.poll(0 if self._decrypted() else self._milliseconds()):
                    if descriptor == bell_fd:
                        ending = self._woken()
                    elif descriptor == guest_fd:
                        ending = self._with_guest(events)
                    else:
                        ending = self._with_browser(events)
                    if ending is not None:
                        return ending
                ending = self._with_guest(select.POLLIN) if self._decrypted() else self._on_time()
            return ending
        except ForbiddenMessage as error:
            return Ending(CloseCode.PROTOCOL, _("The page sent something that is not allowed (%s).") % error)
        except FrameTooLong:
            return Ending(CloseCode.PROTOCOL, _("The page sent too much at once."))
        except BrokenFrame as error:
            return Ending(CloseCode.PROTOCOL, _("The page sent something that is not allowed (%s).") % error)
        finally:
            # Nobody is left to let go of a key; a guest that went does not mind.
            self._to_guest += self._filter.release()
            self._send_to_guest()
            self._live.dropped = dict(self._filter.dropped)

    def _watch(self, browser_fd: int, guest_fd: int) -> None:
        blocked = self._browser.blocked
        reading = select.POLLIN if len(self._to_guest) < TO_GUEST_LIMIT else 0
        self._set(browser_fd, reading | (select.POLLOUT if blocked else 0))
        self._set(guest_fd, (0 if blocked else select.POLLIN) | (select.POLLOUT if self._to_guest else 0))

    def _set(self, descriptor: int, events: int) -> None:
        if self._watched.get(descriptor, 0) == events:
            return
        if events:
            self._poll.register(descriptor, events)
        else:
            # Not only a mask of 0: poll reports a hang-up regardless, and would spin until the other side drains.
            self._poll.unregister(descriptor)
        self._watched[descriptor] = events

    def _decrypted(self) -> bool:
        """Whether there is something to read from the guest of which poll does not know."""
        return self._pending() > 0 and not self._browser.blocked

    def _milliseconds(self) -> float:
        next_end = self._browser.heard_at + SILENCE_SECONDS
        return max(0.0, min(self._next_ping, next_end) - time.monotonic()) * 1000 + 1

    def _with_guest(self, events: int) -> Ending | Gone | None:
        if events & select.POLLOUT:
            self._send_to_guest()
        if not events & ~select.POLLOUT:
            return None
        try:
            data = self._guest.recv(CHUNK)
        except _LATER:
            return None
        except OSError:
            return Gone.GUEST
        if not data:
            return Gone.GUEST
        self._live.bytes_out += len(data)
        for tap in self._visit.taps:
            tap.shown(data)
        return self._to_browser(data)

    def _to_browser(self, data: bytes) -> Ending | None:
        try:
            self._browser.queue(data)
        except OSError:
            return self._left()
        return None

    def _with_browser(self, events: int) -> Ending | None:
        browser = self._browser
        try:
            if events & select.POLLOUT:
                browser.flush()
                if (ending := self._tell_page()) is not None:
                    return ending
            if not events & ~select.POLLOUT:
                return None
            messages = browser.receive()
        except BrokenFrame:
            raise
        except OSError:
            return self._left()
        for opcode, payload in messages:
            if opcode == TEXT:
                self._heard(payload)
            else:
                self._from_browser(payload)
        self._send_to_guest()
        return self._left() if browser.left else None

    @staticmethod
    def _left() -> Ending:
        return Ending(CloseCode.NORMAL, _("The page was left."))

    def _from_browser(self, data: bytes) -> None:
        said = self._answer.feed(data)
        self._live.bytes_in += len(said)
        passed = self._filter.feed(said)
        self._to_guest += passed
        for tap in self._visit.taps:
            tap.asked(passed)

    def _heard(self, words: bytes) -> None:
        if self._visit.heard is None or len(words) > WORDS_LIMIT:
            raise ForbiddenMessage(f"{len(words)} bytes of text")
        self._live.bytes_in += len(words)
        self._visit.heard(words)

    def _tell_page(self) -> Ending | None:
        try:
            while not self._browser.blocked and (words := self._visit.take_words()) is not None:
                self._browser.queue_words(words)
        except OSError:
            return self._left()
        return None

    def _send_to_guest(self) -> None:
        if self._to_guest:
            with suppress(OSError):  # not now; or the guest went, which is noticed by reading
                del self._to_guest[: self._guest.send(self._to_guest)]

    def _woken(self) -> Ending | None:
        visit = self._visit
        visit.answered()
        if visit.allowed != self._filter.allowed:
            self._to_guest += self._filter.allow(visit.allowed)
            self._send_to_guest()
        return visit.ending or self._tell_page()

    def _on_time(self) -> Ending | None:
        now = time.monotonic()
        if now > self._browser.heard_at + SILENCE_SECONDS:
            if len(self._to_guest) >= TO_GUEST_LIMIT:
                return Ending(CloseCode.FAILED, _("The guest's screen does not answer."))
            return Ending(CloseCode.TOO_SLOW, _("The page did not answer for too long."))
        if now >= self._next_ping:
            self._next_ping = now + PING_SECONDS
            self._browser.ping_now()
            typed, self._filter.typed = self._filter.typed, False
            return self._visit.on_time(typed)
        return None
