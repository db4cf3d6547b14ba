"""The relay itself: bytes from the guest to the browser, filtered messages from the browser to the guest.

One thread, `poll` (select ends at descriptor 1024), bounded both ways: while the browser does not take what the guest
sent, nothing more is read from the guest, and the other way round. Holds no database connection.
"""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from enum import Enum

from django.utils.translation import gettext as _

from consoles.close_codes import CloseCode
from consoles.sessions import LiveSession
from consoles.vnc.browser_socket import BrowserSocket, FrameTooLong
from consoles.vnc.endings import Ending, Wake
from consoles.vnc.rfb_filter import ClientFilter, ForbiddenMessage

CHUNK = 1 << 16  # bytes read from the guest at once, and the most that waits for the browser
TO_GUEST_LIMIT = 1 << 18  # with more waiting for the guest, the browser is not read
PING_SECONDS = 20.0
SILENCE_SECONDS = 40.0


class Gone(Enum):
    """Ends that need more looking into than the pump can do."""

    GUEST = "guest"  # its side closed


class Pump:
    """Relays until one side ends, the browser falls silent, or `wake` says so."""

    def __init__(
        self, browser: BrowserSocket, guest: socket.socket, client_filter: ClientFilter, live: LiveSession, wake: Wake
    ) -> None:
        self._browser = browser
        self._guest = guest
        self._filter = client_filter
        self._live = live
        self._wake = wake
        self._to_guest = bytearray()
        self._poll = select.poll()
        self._watched: dict[int, int] = {}  # descriptor → events
        self._next_ping = time.monotonic() + PING_SECONDS

    def run(self, early: bytes = b"") -> Ending | Gone:
        """Why it is over. Both sockets are left open. `early`: what the browser sent together with its handshake."""
        browser, guest, wake = self._browser, self._guest, self._wake
        browser.setblocking(False)
        guest.setblocking(False)
        browser_fd, guest_fd, wake_fd = browser.fileno(), guest.fileno(), wake.fileno()
        self._poll.register(wake_fd, select.POLLIN)
        browser.heard_at = time.monotonic()
        try:
            self._from_browser(early)
            while True:
                self._watch(browser_fd, guest_fd)
                # Any event on a descriptor counts, also an error or a hang-up: the read or write then tells.
                for descriptor, events in self._poll.poll(self._milliseconds()):
                    ending: Ending | Gone | None = None
                    if descriptor == wake_fd:
                        ending = self._woken()
                    elif descriptor == guest_fd:
                        ending = self._with_guest(events)
                    else:
                        ending = self._with_browser(events)
                    if ending is not None:
                        return ending
                if (ending := self._on_time()) is not None:
                    return ending
        except ForbiddenMessage as error:
            return Ending(CloseCode.PROTOCOL, _("The page sent something that is not allowed (%s).") % error)
        except FrameTooLong:
            return Ending(CloseCode.PROTOCOL, _("The page sent too much at once."))

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

    def _milliseconds(self) -> float:
        next_end = self._browser.heard_at + SILENCE_SECONDS
        return max(0.0, min(self._next_ping, next_end) - time.monotonic()) * 1000 + 1

    def _with_guest(self, events: int) -> Ending | Gone | None:
        try:
            if events & select.POLLOUT:
                self._send_to_guest()
            if events & ~select.POLLOUT:
                data = self._guest.recv(CHUNK)
                if not data:
                    return Gone.GUEST
                self._live.bytes_out += len(data)
                self._browser.queue(data)
        except BlockingIOError:
            return None
        except ConnectionError:
            return Gone.GUEST
        return None

    def _with_browser(self, events: int) -> Ending | None:
        browser = self._browser
        try:
            if events & select.POLLOUT:
                before = len(browser._send_buffer)
                browser.flush()
                if len(browser._send_buffer) < before:
                    browser.heard_at = time.monotonic()
            if not events & ~select.POLLOUT:
                return None
            messages = browser.receive()
        except FrameTooLong:
            raise
        except OSError:
            messages = None
        if messages is None:
            return Ending(CloseCode.NORMAL, _("The page was left."))
        for message in messages:
            self._from_browser(message)
        self._send_to_guest()
        return None

    def _from_browser(self, data: bytes) -> None:
        self._live.bytes_in += len(data)
        self._to_guest += self._filter.feed(data)

    def _send_to_guest(self) -> None:
        if self._to_guest:
            with suppress(BlockingIOError, ConnectionError):  # a guest that went is noticed by reading
                del self._to_guest[: self._guest.send(self._to_guest)]

    def _woken(self) -> Ending | None:
        self._wake.answered()
        if self._wake.downgrade and not self._filter.watching:
            self._to_guest += self._filter.become_watcher()
            self._send_to_guest()
        return self._wake.ending

    def _on_time(self) -> Ending | None:
        now = time.monotonic()
        if now > self._browser.heard_at + SILENCE_SECONDS:
            if len(self._to_guest) >= TO_GUEST_LIMIT:
                return Ending(CloseCode.FAILED, _("The guest's screen does not answer."))
            return Ending(CloseCode.TOO_SLOW, _("The page did not answer for too long."))
        if now >= self._next_ping:
            self._next_ping = now + PING_SECONDS
            self._browser.ping_now()
        return None
