"""Reading a browser's websocket frames (RFC 6455 §5): strict, bounded, and cheap for the small ones that keys are.

websockify's own reading waits for whatever length a frame announces, refuses text, and takes three times as long.
"""

from __future__ import annotations

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MESSAGE_LIMIT = 2 << 20  # bytes; RFB's largest message here is 1 MiB of cut text
_FINAL, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
_CONTROL_LENGTH = 125


class BrokenFrame(OSError):
    """What came is not what a browser sends."""


class FrameTooLong(BrokenFrame):
    """The browser announced or sent more than MESSAGE_LIMIT bytes at once."""


class FrameReader:
    """Takes bytes in pieces of any size; gives whole messages and control frames, unmasked, in order."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._opcode = CONTINUATION  # of the message that has begun
        self._parts = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(opcode, payload) of everything that is complete with these bytes. Raises BrokenFrame."""
        rest, found, at = self._rest, [], 0
        rest += data
        while (end := self._end(rest, at)) is not None:
            first, start = rest[at], at + _header(rest[at + 1])
            payload = _unmasked(rest[start:end], rest[start - 4 : start])
            if message := self._message(first & _OPCODE, bool(first & _FINAL), payload):
                found.append(message)
            at = end
        del rest[:at]
        return found

    @staticmethod
    def _end(rest: bytearray, at: int) -> int | None:
        """Where the frame that begins at `at` ends; None while it is not there as a whole."""
        there = len(rest) - at
        if there < 2:
            return None
        first, second = rest[at], rest[at + 1]
        if first & _RESERVED or not second & _MASKED:
            raise BrokenFrame("a frame that is extended or not masked")
        length, header = second & _LENGTH, _header(second)
        if length > _CONTROL_LENGTH:
            if there < header:
                return None
            length = int.from_bytes(rest[at + 2 : at + header - 4])
        if length > MESSAGE_LIMIT:
            raise FrameTooLong(f"{length} bytes")
        return at + header + length if there >= header + length else None

    def _message(self, opcode: int, final: bool, payload: bytes) -> tuple[int, bytes] | None:
        if opcode >= CLOSE:
            if not final or len(payload) > _CONTROL_LENGTH or opcode > PONG:
                raise BrokenFrame("a control frame that is none")
            return opcode, payload
        if opcode > BINARY or (opcode == CONTINUATION) != (self._opcode != CONTINUATION):
            raise BrokenFrame("a frame out of turn")
        if final and opcode:
            return opcode, payload
        self._opcode = self._opcode or opcode
        self._parts += payload
        if len(self._parts) > MESSAGE_LIMIT:
            raise FrameTooLong("in parts")
        if not final:
            return None
        whole, self._opcode, self._parts = (self._opcode, bytes(self._parts)), CONTINUATION, bytearray()
        return whole


def _header(second: int) -> int:
    """The bytes before the payload, mask included."""
    length = second & _LENGTH
    return 6 if length <= _CONTROL_LENGTH else 8 if length == 126 else 14


def _unmasked(payload: bytes | bytearray, mask: bytes | bytearray) -> bytes:
    """As one large number: quicker than byte by byte, and than an array for what is short."""
    count = len(payload)
    masks = int.from_bytes((mask * (count // 4 + 1))[:count])
    return (int.from_bytes(payload) ^ masks).to_bytes(count)
