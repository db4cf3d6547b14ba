"""The wire between browser, web process and text broker: messages whose first byte is their type.

A websocket carries one message per binary frame. The unix socket between web and broker carries the same messages, each
behind its length (4 bytes, big-endian); HELLO and CLOSE exist only there. Offsets count a device's bytes (8 bytes,
big-endian), so a browser that comes back says how far it got, and nothing is shown twice.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any
from uuid import UUID

INPUT_BYTES = 64 * 1024  # of one INPUT message
CONTROL_BYTES = 4 * 1024  # of one JSON or HELLO message
MESSAGE_BYTES = INPUT_BYTES + 64  # of any message: what the unix socket accepts
CHUNK_BYTES = 32 * 1024  # of one DATA or REPLAY message
_LENGTH = 4
_OFFSET = 8


class ToBrowser(IntEnum):
    """Types of messages from the console server."""

    DATA = 0  # offset, bytes
    REPLAY = 1  # offset, bytes: was shown before this viewer came; the terminal must not answer it
    STATUS = 2  # JSON
    CLOSE = 16  # to the web process only: websocket close code (2 bytes), a sentence


class FromBrowser(IntEnum):
    """Types of messages to the console server."""

    INPUT = 0  # bytes typed
    ACK = 1  # offset: everything before it was drawn
    JSON = 2  # one request, e.g. {"resize": …}; kinds that are not known are ignored
    HELLO = 16  # from the web process only: who comes, as JSON


class ProtocolError(Exception):
    """The other side does not speak this protocol: the connection ends."""


def data(kind: ToBrowser, offset: int, content: bytes) -> bytes:
    """A DATA or REPLAY message: `content` begins at `offset`."""
    return bytes([kind]) + offset.to_bytes(_OFFSET, "big") + content


def status(**values: Any) -> bytes:
    """A STATUS message."""
    return bytes([ToBrowser.STATUS]) + json.dumps(values, separators=(",", ":")).encode()


def close(code: int, sentence: str) -> bytes:
    """A CLOSE message."""
    return bytes([ToBrowser.CLOSE]) + code.to_bytes(2, "big") + sentence.encode()[:500]


def parse_close(message: bytes) -> tuple[int, str]:
    """Code and sentence of a CLOSE message."""
    return int.from_bytes(message[1:3], "big"), message[3:].decode(errors="replace")


def parse_ack(message: bytes) -> int:
    """The offset of an ACK message."""
    if len(message) != 1 + _OFFSET:
        raise ProtocolError("an acknowledgement is one offset")
    return int.from_bytes(message[1:], "big")


def parse_json(message: bytes) -> dict[str, Any]:
    """The object of a JSON, STATUS or HELLO message."""
    try:
        value = json.loads(message[1:])
    except (ValueError, RecursionError) as error:
        raise ProtocolError("not JSON") from error
    if not isinstance(value, dict):
        raise ProtocolError("not an object")
    return value


def checked(message: bytes) -> bytes:
    """A browser's message, if it is one that a browser may send; the web process asks before it passes one on."""
    kind = message[0] if message else -1
    limits = {FromBrowser.INPUT: INPUT_BYTES, FromBrowser.ACK: _OFFSET, FromBrowser.JSON: CONTROL_BYTES}
    if kind not in limits:
        raise ProtocolError("unknown type")
    if len(message) - 1 > limits[FromBrowser(kind)]:
        raise ProtocolError("too long")
    return message


@dataclass(frozen=True, slots=True)
class Hello:
    """Who comes to which console, as the web process found out; the broker asks the database again."""

    user_id: int
    session_hash: str
    guest_id: UUID
    device: str
    mode: str  # consoles.models.Mode
    peer: str = ""
    language: str = "en"
    ring: str = ""  # where this browser was before: the ring's id and the offset it acknowledged last
    after: int = 0

    def message(self) -> bytes:
        """As a HELLO message."""
        values = asdict(self) | {"guest_id": str(self.guest_id)}
        return bytes([FromBrowser.HELLO]) + json.dumps(values).encode()

    @classmethod
    def parse(cls, message: bytes) -> Hello:
        """From a HELLO message."""
        if not message or message[0] != FromBrowser.HELLO:
            raise ProtocolError("a connection begins with HELLO")
        values = parse_json(message)
        try:
            return cls(**{**values, "guest_id": UUID(values["guest_id"])})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ProtocolError("a HELLO that is none") from error


def packed(message: bytes) -> bytes:
    """A message behind its length, for the unix socket."""
    return len(message).to_bytes(_LENGTH, "big") + message


class Unpacker:
    """Cuts a byte stream back into messages, however it was split; holds at most one incomplete message."""

    def __init__(self, limit: int = MESSAGE_BYTES) -> None:
        self._limit = limit
        self._held = bytearray()

    def feed(self, content: bytes) -> list[bytes]:
        """The messages that are complete now. Raises ProtocolError for an empty or too long one."""
        self._held += content
        messages: list[bytes] = []
        position = 0
        while len(self._held) - position >= _LENGTH:
            length = int.from_bytes(self._held[position : position + _LENGTH], "big")
            if not 0 < length <= self._limit:
                raise ProtocolError(f"a message of {length} bytes")
            end = position + _LENGTH + length
            if len(self._held) < end:
                break
            messages.append(bytes(self._held[position + _LENGTH : end]))
            position = end
        del self._held[:position]
        return messages
