"""What a browser may say to a guest's VNC server: whole, known messages, and from a watcher only those for a picture.

RFC 6143 §7.5 and QEMU's ui/vnc.c (`protocol_client_msg`) give the lengths. The list of encodings is rewritten to an
allow-list, so that no message this parser does not know can be switched on. Nothing is forwarded before it is whole.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

ENCODINGS_LIMIT = 256
CUT_TEXT_LIMIT = 1 << 20
KEYS_LIMIT = 256  # held down at once

SET_PIXEL_FORMAT, SET_ENCODINGS, UPDATE_REQUEST, KEY, POINTER, CUT_TEXT = 0, 2, 3, 4, 5, 6
XVP, SET_DESKTOP_SIZE, QEMU = 250, 251, 255
_DROPPABLE = {
    KEY: "key",
    POINTER: "pointer",
    CUT_TEXT: "cut_text",
    XVP: "xvp",
    SET_DESKTOP_SIZE: "desktop_size",
    QEMU: "qemu_key",
}

_BY_HAND = frozenset({KEY, POINTER, CUT_TEXT, QEMU})

QEMU_EXTENDED_KEY, XVP_ENCODING = -258, -309
EXTENDED_CLIPBOARD = struct.unpack("!i", b"\xc0\xa1\xe5\xce")[0]
# raw, copyrect, hextile, zlib, tight, zrle; tightPNG; compression and quality levels; and the pseudo-encodings that
# only change what the server says: desktop size (-223, -308), last rectangle, cursor, LED state, cursor with alpha.
_FOR_WATCHERS = frozenset(
    {0, 1, 5, 6, 7, 16, -260, *range(-256, -246), *range(-32, -22), -223, -224, -239, -261, -308, -314}
)
_FOR_TYPING = frozenset({QEMU_EXTENDED_KEY, EXTENDED_CLIPBOARD})
_FOR_POWER = frozenset({XVP_ENCODING})


class ForbiddenMessage(Exception):
    """The browser said something that no part of this product says; the console must end."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may reach the guest besides messages for a picture: what is typed, and xvp's shutdown, reboot and reset."""

    typing: bool
    power: bool = False


class ClientFilter:
    """Takes the bytes after ClientInit in pieces of any size, and returns what goes to the guest."""

    def __init__(self, allowed: Allowed, powers: Callable[[int], bool] = lambda code: True) -> None:
        """`powers` is asked about each of xvp's messages that would pass, with its code."""
        self.allowed = allowed
        self._powers = powers
        self.dropped: Counter[str] = Counter()
        self.typed = False  # whether a hand did something that passed; whoever asks sets it back
        self._rest = bytearray()
        self._skip = 0  # bytes still to come of a message that is dropped
        self._asked = b""  # the last list of encodings, as the browser sent it
        self._keys: dict[bytes, bytes] = {}  # of keys held down: what identifies one → the message that releases it
        self._pointer = b""  # the last pointer event while a button was down

    def feed(self, data: bytes) -> bytes:
        """The messages completed by these bytes that may pass. Raises ForbiddenMessage."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        rest = self._rest
        rest += data
        passed = bytearray()
        at = 0
        while at < len(rest):
            length = self._length(rest, at)
            if length is None:
                break
            kind = rest[at]
            whole = len(rest) - at >= length
            if self._is_dropped(kind):
                self.dropped[_DROPPABLE[kind]] += 1
                self._skip = max(0, at + length - len(rest))
                at += length
                continue
            if not whole:
                break
            message = bytes(rest[at : at + length])
            if kind == XVP and not self._powers(message[3]):
                self.dropped[_DROPPABLE[kind]] += 1
                at += length
                continue
            self._remember(kind, message)
            self.typed = self.typed or kind in _BY_HAND
            passed += self._encodings() if kind == SET_ENCODINGS else message
            at += length
        del rest[:at]
        return bytes(passed)

    def allow(self, allowed: Allowed) -> bytes:
        """From now on this; returns what the guest must be told: keys and buttons released, encodings asked anew.

        A message that was begun before is judged when its end arrives, and passes or is dropped as a whole.
        """
        before, self.allowed = self.allowed, allowed
        released = b"" if allowed.typing else self.release()
        return released + (self._encodings() if self._asked and allowed != before else b"")

    def release(self) -> bytes:
        """The messages that release every key and button that is held down."""
        released = b"".join(self._keys.values())
        if self._pointer:
            released += bytes((POINTER, 0)) + self._pointer[2:]
        self._keys.clear()
        self._pointer = b""
        return released

    def _is_dropped(self, kind: int) -> bool:
        return kind in _DROPPABLE and not (self.allowed.power if kind == XVP else self.allowed.typing)

    @staticmethod
    def _length(rest: bytearray, at: int) -> int | None:
        """Of the message that begins at `at`, None while its header is not there."""
        kind, there = rest[at], len(rest) - at
        match kind:
            case 0:
                return 20
            case 3:
                return 10
            case 4:
                return 8
            case 5:
                return 6
            case 250:
                return 4
            case 2:
                if there < 4:
                    return None
                count = int.from_bytes(rest[at + 2 : at + 4])
                if count > ENCODINGS_LIMIT:
                    raise ForbiddenMessage(f"{count} encodings")
                return 4 + 4 * count
            case 6:
                if there < 8:
                    return None
                # Signed: a negative length announces the extended clipboard.
                size = abs(int.from_bytes(rest[at + 4 : at + 8], signed=True))
                if size > CUT_TEXT_LIMIT:
                    raise ForbiddenMessage(f"cut text of {size} bytes")
                return 8 + size
            case 251:
                return None if there < 7 else 8 + 16 * rest[at + 6]
            case 255:
                if there < 2:
                    return None
                if rest[at + 1] != 0:
                    raise ForbiddenMessage(f"QEMU message {rest[at + 1]}")
                return 12
        raise ForbiddenMessage(f"message {kind}")

    def _encodings(self) -> bytes:
        listed = _FOR_WATCHERS
        if self.allowed.typing:
            listed |= _FOR_TYPING
        if self.allowed.power:
            listed |= _FOR_POWER
        asked = struct.unpack_from(f"!{(len(self._asked) - 4) // 4}i", self._asked, 4)
        kept = [encoding for encoding in asked if encoding in listed]
        return struct.pack(f"!BxH{len(kept)}i", SET_ENCODINGS, len(kept), *kept)

    def _remember(self, kind: int, message: bytes) -> None:
        if kind == SET_ENCODINGS:
            self._asked = message
            return
        if kind == POINTER:
            self._pointer = message if message[1] else b""
            return
        if kind == KEY:
            down, identity, release = message[1], message[4:], bytes((KEY, 0, 0, 0)) + message[4:]
        elif kind == QEMU:
            down, identity, release = message[3] | message[2], message[8:] + b"q", b"\xff\0\0\0" + message[4:]
        else:
            return
        if not down:
            self._keys.pop(identity, None)
        elif identity not in self._keys and len(self._keys) >= KEYS_LIMIT:
            raise ForbiddenMessage("too many keys held down")
        else:
            self._keys[identity] = release


def wishes(passed: bytes) -> bytes:
    """Of whole messages that passed, those that say how the picture is wanted: SetPixelFormat and SetEncodings."""
    messages, found, at = bytearray(passed), bytearray(), 0
    while at < len(messages):
        length = ClientFilter._length(messages, at)
        if length is None:
            break
        if messages[at] in {SET_PIXEL_FORMAT, SET_ENCODINGS}:
            found += messages[at : at + length]
        at += length
    return bytes(found)
