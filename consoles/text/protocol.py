"""The wire between browser, web process and text broker: messages whose first byte is their type.

A websocket carries one message per binary frame. The unix socket between web and broker carries the same messages, each
behind its length (4 bytes, big-endian); HELLO, LOG, CONTENT and CLOSE exist only there. Offsets count a device's bytes
(8 bytes, big-endian), so a browser that comes back says how far it got, and nothing is shown twice.

STATUS (to the browser) is one JSON object. What it tells is in its keys; several may come together:

    hello: 1            the first one, with ring, resumed, replay [from, to], modes, mode, state, since, and
                        you (this viewer's id), host, people, keyboard, recording, administrator (may take, take over)
    state, since        idle attaching live off busy lost missing; Unix time
    host, guest         with state: the host's name, and Guest.id there: both change by migration, and who comes
                        back then asks for that guest
    mode                watch or control: a controller became a watcher
    people, keyboard    [{id, name, mode, since, holds, asks}]: everybody who is at this device, in the order they came;
                        "all" (every controller may type) or "one" (only who holds the keyboard; what others send is
                        dropped). Under "all" nobody holds or asks
    recording           {state: "off" | "on" | "full" | "failed", sentence}: whether the console log is written
    mark, number, at    in its place in the output: started stopped rebooted reattached unwatched taken_over moved
                        restarted
    gap                 bytes that were skipped
    input_lost          typed bytes that the guest did not take or that came too fast
    refused, sentence   a request of this viewer's, or "input" (not the holder), was refused
    ending, at          "idle" or "long": this console is closed at that Unix time; {"here": true} puts an idle end off
    ending: null        the end was put off
    closing, sentence   the last one: the websocket's close code follows, this is its sentence in the person's language

JSON (from the browser) is one request, an object:

    {"keyboard": "ask"}               under "one": ask the holder; free: get it at once
    {"keyboard": "unask"}             not any more
    {"keyboard": "keep"}              the holder keeps it: nobody asks any more
    {"keyboard": "give", "to": id}    the holder gives it to another controller
    {"keyboard": "release"}           the holder gives it up: it goes to who asked first, or is free
    {"keyboard": "take"}              at once: free, or, for administrators, from its holder
    {"take_over": true}               administrators, while the state is busy: take the device from the other client
    {"here": true}                    somebody is here: puts off the end of an idle console

Unknown requests are ignored. LOG is one question about a console log (see `consoles.text.log_answers`), asked by the
web process after it checked the right to see it; the answer is STATUS and CONTENT messages, then CLOSE.
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
ANSWER_BYTES = 4 * 1024 * 1024  # of one message about a console log, to the web process
CHUNK_BYTES = 32 * 1024  # of one DATA or REPLAY message
_LENGTH = 4
_OFFSET = 8


class ToBrowser(IntEnum):
    """Types of messages from the console server."""

    DATA = 0  # offset, bytes
    REPLAY = 1  # offset, bytes: was shown before this viewer came; the terminal must not answer it
    STATUS = 2  # JSON
    CONTENT = 3  # to the web process only: a piece of a console log
    CLOSE = 16  # to the web process only: websocket close code (2 bytes), a sentence


class FromBrowser(IntEnum):
    """Types of messages to the console server."""

    INPUT = 0  # bytes typed
    ACK = 1  # offset: everything before it was drawn
    JSON = 2  # one request, e.g. {"resize": …}; kinds that are not known are ignored
    HELLO = 16  # from the web process only: who comes, as JSON
    LOG = 17  # from the web process only: a question about a console log, as JSON


class ProtocolError(Exception):
    """The other side does not speak this protocol: the connection ends."""


class MessageTooLong(ProtocolError):
    """A message of a known type beyond its limit."""


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
        raise MessageTooLong("too long")
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


def log_question(ask: str, guest_id: UUID, device: str, **details: Any) -> bytes:
    """A LOG message."""
    values = {"ask": ask, "guest": str(guest_id), "device": device, **details}
    return bytes([FromBrowser.LOG]) + json.dumps(values).encode()


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
