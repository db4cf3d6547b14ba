"""The stream of a text console: non-blocking, read in libvirt's event thread, always drained.

libvirt queues without bound in the client what is not read, so reading never waits for anybody.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import libvirt
from django.utils.translation import gettext as _

from guests.errors import HypervisorError, HypervisorUnreachable, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.event_loop import in_event_loop
from guests.hypervisor.failures import busy, translated_errors
from guests.hypervisor.reading import find_domain

logger = logging.getLogger(__name__)

SEND_BYTES = 1024  # serial FIFOs overrun on more
RECEIVE_BYTES = 64 * 1024
TURN_BYTES = 1024 * 1024  # of one callback, so that a flood leaves the event thread to others
SEND_SECONDS = 10.0
WOULD_BLOCK = -2
BUSY_SECONDS = 0.7


class TextStream:
    """One open text console of one guest; see `open_text_stream`."""

    def __init__(
        self, connection: Connection, stream: Any, on_data: Callable[[bytes], None], on_end: Callable[[str], None]
    ) -> None:
        self._stream = stream
        self._on_data = on_data
        self._on_end = on_end
        self._lock = threading.Lock()
        self._ended = False
        self._forget = connection.on_close(lambda _reason: self._end("lost"))

    def start(self) -> None:
        """Begin to read; callbacks come in the event thread from now on."""
        events = libvirt.VIR_STREAM_EVENT_READABLE | libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP
        with translated_errors():
            self._stream.eventAddCallback(events, self._readable, None)

    def send(self, data: bytes) -> None:
        """Type into the guest; blocks while the guest does not read, at most 10 s for each KiB. Call it in a thread."""
        for at in range(0, len(data), SEND_BYTES):
            self._send_piece(data[at : at + SEND_BYTES])

    def _send_piece(self, piece: bytes) -> None:
        deadline = time.monotonic() + SEND_SECONDS
        while piece:
            if self._ended:
                raise OperationRefused(_("The text console is closed."))
            with translated_errors():
                sent = self._stream.send(piece)
            if sent == WOULD_BLOCK:
                if time.monotonic() > deadline:
                    raise OperationRefused(_("The guest does not read what is typed into its text console."))
                time.sleep(0.01)
            else:
                piece = piece[sent:]

    def close(self) -> None:
        """Give the device back. `on_end` is not called; safe to call again and from any thread but the event thread."""
        if self._take_end():
            self._release(abort=True)

    def _take_end(self) -> bool:
        with self._lock:
            if self._ended:
                return False
            self._ended = True
        self._forget()
        return True

    def _readable(self, _stream: Any, events: int, _opaque: Any) -> None:
        if self._ended:
            return
        received = []
        size, end = 0, ""
        while size < TURN_BYTES:
            try:
                with translated_errors():
                    piece = self._stream.recv(RECEIVE_BYTES)
            except HypervisorUnreachable:
                end = "lost"
                break
            except HypervisorError as error:
                # FORCE by another client aborts our stream: the next read fails with code 39 or 38.
                end = "taken" if error.code == libvirt.VIR_ERR_RPC else "lost"
                logger.debug("a text console ended: %s (%s)", error.detail, error.code)
                break
            if piece == WOULD_BLOCK:
                break
            if not piece:
                end = "stopped"
                break
            received.append(piece)
            size += len(piece)
        if received:
            self._hand_over(b"".join(received))
        if not end and not received and events & (libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP):
            end = "stopped" if events & libvirt.VIR_STREAM_EVENT_HANGUP else "lost"
        if end:
            self._end(end)

    def _hand_over(self, data: bytes) -> None:
        try:
            self._on_data(data)
        except Exception:
            logger.exception("the reader of a text console failed")

    def _end(self, reason: str) -> None:
        """It ended by itself. libvirt may not be called from its own callback (recv apart): another thread lets go."""
        if not self._take_end():
            return
        threading.Thread(target=self._release, kwargs={"abort": reason != "stopped"}, daemon=True).start()
        try:
            self._on_end(reason)
        except Exception:
            logger.exception("the reader of a text console failed at its end")

    def _release(self, *, abort: bool) -> None:
        # Removed while it runs, the callback is freed under a lock that freeing the stream takes, too.
        in_event_loop(self._forget_callback)
        try:
            with translated_errors():
                self._stream.abort() if abort else self._stream.finish()
        except HypervisorError as error:
            logger.debug("letting go of a text console: %s", error.detail)

    def _forget_callback(self) -> None:
        # Without the removal the stream, its descriptor and this object are never freed (libvirt-python#8).
        with suppress(HypervisorError), translated_errors():
            self._stream.eventRemoveCallback()


def open_text_stream(
    c: Connection,
    uuid: UUID,
    alias: str | None,
    *,
    force: bool = False,
    on_data: Callable[[bytes], None],
    on_end: Callable[[str], None],
) -> TextStream:
    """Open a text console (`TextConsole.alias`; None is the driver's default, as Xen needs it).

    `on_data` gets what the guest writes, `on_end` once why it ended: stopped (guest), taken (another client forced it
    away) or lost (the connection); both in the event thread. DeviceBusy when another client holds it and not `force`.
    """
    domain = find_domain(c, uuid)
    name = domain.name()
    if domain.ID() < 0:
        raise OperationRefused(_("%(guest)s does not run: it has no text console now.") % {"guest": name})
    try:
        stream = _opened(c, domain, alias, force)
    except OperationRefused as error:
        if error.code == libvirt.VIR_ERR_OPERATION_FAILED and not force:
            raise busy(name, error.detail) from error
        if error.code == libvirt.VIR_ERR_INTERNAL_ERROR:
            raise _no_console(name, error.detail) from error
        raise
    except NotSupported as error:
        if error.code == libvirt.VIR_ERR_NO_SUPPORT:
            text = _("The driver of this host has no text consoles.")
            raise NotSupported(text, detail=error.detail, code=error.code) from error
        raise _no_console(name, error.detail) from error
    text_stream = TextStream(c, stream, on_data, on_end)
    try:
        text_stream.start()
    except HypervisorError:
        text_stream.close()
        raise
    return text_stream


def _opened(c: Connection, domain: Any, alias: str | None, force: bool) -> Any:
    """The open stream. The daemon lets go of a closed one a moment later, so "busy" is tried again for BUSY_SECONDS."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        with translated_errors(domain.name()):
            stream = c.raw.newStream(libvirt.VIR_STREAM_NONBLOCK)
        try:
            with translated_errors(domain.name()):
                # SAFE is refused by Xen's driver; without FORCE a held device is refused anyway.
                domain.openConsole(alias, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE if force else 0)
            return stream
        except OperationRefused as error:
            if error.code != libvirt.VIR_ERR_OPERATION_FAILED or force or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def _no_console(name: str, detail: str) -> NotSupported:
    text = _("%(guest)s has no text console that can be opened: it needs a serial device of type pty.")
    return NotSupported(text % {"guest": name}, detail=detail)
