"""The RFB handshake (RFC 6143 §7.1 to §7.3), spoken on both sides: nothing of it passes from one to the other.

The guest's server is told what it wants to know (None, or its password, inside of TLS where it wants that); the browser
is offered security None, because it showed a ticket. The server's ServerInit is left in the stream for the browser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from django.utils.translation import gettext as _

from consoles.close_codes import CloseCode, ConsoleRefused
from consoles.vnc.vencrypt import VENCRYPT, X509_VNC, agree_on_subtype
from consoles.vnc.vnc_password import answer_to_challenge

VERSION = b"RFB 003.008\n"
NONE, VNC_PASSWORD = 1, 2
# RFB 3.8, security None alone, which went well: said at once, so that the page waits for one answer and not for three.
GREETING = VERSION + bytes((1, NONE)) + b"\0\0\0\0"
_ANSWER = VERSION + bytes((NONE,))  # and a ClientInit, whose one byte may be anything
SHARED = b"\x01"  # other viewers stay; a ClientInit of 0 would disconnect them
REASON_LIMIT = 1000


class ByteStream(Protocol):
    """Either side: bytes in, bytes out, with a deadline of its own."""

    def exactly(self, count: int) -> bytes:
        """So many bytes; raises OSError when they do not come."""

    def send(self, data: bytes) -> None:
        """All of them; raises OSError."""


class GuestSide(ByteStream, Protocol):
    """The guest's server, which may want to go on encrypted."""

    def start_tls(self) -> None:
        """Raises ConsoleRefused where the server is not the one it should be."""


def greet_guest(guest: GuestSide, password: Callable[[], str | None]) -> None:
    """Up to ClientInit with the guest's VNC server. `password` is asked only where the server wants one."""
    version = guest.exactly(12)
    if not version.startswith(b"RFB 003.") or version[8:11] < b"007":
        raise _failed(_("The guest's VNC server speaks a version that is not known here."))
    minor = b"008" if version[8:11] >= b"008" else b"007"
    guest.send(b"RFB 003." + minor + b"\n")
    count = guest.exactly(1)[0]
    if count == 0:
        raise _failed(_("The guest's VNC server refused: %(reason)s") % {"reason": _reason(guest)})
    offered = guest.exactly(count)
    if NONE in offered:
        guest.send(bytes((NONE,)) + SHARED)  # at once: between them a server says no more than that it went well
        if minor == b"007":
            return
    elif VNC_PASSWORD in offered:
        guest.send(bytes((VNC_PASSWORD,)))
        _sign_in(guest, password)
    elif VENCRYPT in offered:
        guest.send(bytes((VENCRYPT,)))
        subtype = agree_on_subtype(guest)
        guest.start_tls()
        if subtype == X509_VNC:
            _sign_in(guest, password)
    else:
        raise _failed(_("The guest's VNC server wants a sign-in that is not known here."))
    if guest.exactly(4) != b"\0\0\0\0":
        reason = _reason(guest) if minor == b"008" else ""
        raise _failed(_("The guest's VNC server refused: %(reason)s") % {"reason": reason})
    if NONE not in offered:
        guest.send(SHARED)


def _sign_in(guest: ByteStream, password: Callable[[], str | None]) -> None:
    secret = password()
    if secret is None:
        raise _failed(_("The guest's VNC server asks for a password that its definition does not hold."))
    guest.send(answer_to_challenge(guest.exactly(16), secret))


class BrowserAnswer:
    """What noVNC answers to `GREETING`, taken out of the stream: version, security type, and its wish to be alone."""

    def __init__(self) -> None:
        self._answer = b""

    def feed(self, data: bytes) -> bytes:
        """What follows the answer, for the filter. Raises ConsoleRefused where it is not the one there is."""
        missing = len(_ANSWER) + 1 - len(self._answer)
        if not missing:
            return data
        self._answer += data[:missing]
        if not _ANSWER.startswith(self._answer[: len(_ANSWER)]):
            raise ConsoleRefused(CloseCode.PROTOCOL, _("This page speaks another version of RFB: load it again."))
        return data[missing:]


def _reason(guest: ByteStream) -> str:
    length = int.from_bytes(guest.exactly(4))
    return guest.exactly(min(length, REASON_LIMIT)).decode(errors="replace")


def _failed(sentence: str) -> ConsoleRefused:
    return ConsoleRefused(CloseCode.FAILED, sentence)
