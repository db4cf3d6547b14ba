"""Questions of the web process about console logs, over the text broker's unix socket: a LOG message and its answer.

    {"ask": "overview", "guest": id, "device": name}                       → STATUS: log_reading.overview
    {"ask": "search", …, "text": words, "before": offset}                  → STATUS: log_reading.Found
    {"ask": "range", …, "start": offset, "limit": bytes}                   → STATUS: log_reading.Range
    {"ask": "text" | "raw" | "cast", …, "since", "until", "title"}         → CONTENT, CONTENT, …
    {"ask": "screen", …, "recording": id}                                  → CONTENT, CONTENT, …: of a graphical console

Then CLOSE with 1000. Who may read a log was decided in the web process. Files are read in a thread; the next piece is
read when the last one left, so a slow browser holds one piece.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from uuid import UUID

from consoles.close_codes import CloseCode
from consoles.text import log_reading, protocol
from consoles.text.log_reading import Span
from consoles.text.offloop import off_loop
from consoles.text.protocol import ProtocolError, ToBrowser
from consoles.text.recordings import log_directory
from consoles.vnc.recording_file import pieces_of, recording_path

logger = logging.getLogger(__name__)

PIECE_BYTES = 128 * 1024
RECORDS = 4096  # of one piece at most, however small
SEARCH_CHARACTERS = 200


def answer(question: dict[str, Any]) -> Iterator[bytes]:
    """The messages that answer a question, made as they are asked for. Raises ProtocolError for one that is none."""
    try:
        directory = log_directory(UUID(question["guest"]), question["device"])
        asked = question["ask"]
        span = Span(_number(question.get("since")), _number(question.get("until")))
        start, limit = int(question.get("start", 0)), int(question.get("limit", log_reading.RANGE_BYTES))
        text, before = str(question.get("text", ""))[:SEARCH_CHARACTERS], int(question.get("before", 0))
        title = str(question.get("title", ""))[:200]
        screen = recording_path(UUID(question["guest"]), UUID(question.get("recording", question["guest"])))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProtocolError("a question that is none") from error
    whole: dict[str, Callable[[], dict[str, Any]]] = {
        "overview": lambda: log_reading.overview(directory),
        "search": lambda: log_reading.as_json(log_reading.search(directory, text, before=before)),
        "range": lambda: log_reading.as_json(log_reading.read_range(directory, start, limit)),
    }
    pieces: dict[str, Callable[[], Iterator[bytes]]] = {
        "text": lambda: log_reading.as_text(directory, span, raw=False),
        "raw": lambda: log_reading.as_text(directory, span, raw=True),
        "cast": lambda: log_reading.as_cast(directory, span, title),
        "screen": lambda: pieces_of(screen),
    }
    if asked in whole:
        return _status(whole[asked])
    if asked in pieces:
        return _contents(pieces[asked]())
    raise ProtocolError("a question that is none")


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _status(ask: Callable[[], dict[str, Any]]) -> Iterator[bytes]:
    yield protocol.status(**ask())


def _contents(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Small records together, large ones cut: each message about 128 KiB."""
    while taken := list(islice(_until_full(pieces), RECORDS)):
        content = b"".join(taken)
        for start in range(0, len(content), PIECE_BYTES):
            yield bytes([ToBrowser.CONTENT]) + content[start : start + PIECE_BYTES]


def _until_full(pieces: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        yield piece
        size += len(piece)
        if size >= PIECE_BYTES:
            return


class LogAnswer(asyncio.Protocol):
    """Writes one answer to one connection, and hangs up."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._writable = asyncio.Event()
        self._writable.set()
        transport.set_write_buffer_limits(high=PIECE_BYTES)
        transport.set_protocol(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable.set()

    async def run(self, message: bytes) -> None:
        """Answer; whatever goes wrong ends the connection, which the web process reads as a failure."""
        try:
            messages = answer(protocol.parse_json(message))
            while not self._transport.is_closing():
                following = await off_loop(lambda: next(messages, None), name="console-log")
                if following is None:
                    self._transport.write(protocol.packed(protocol.close(CloseCode.NORMAL, "")))
                    break
                self._transport.write(protocol.packed(following))
                await self._writable.wait()
        except ProtocolError as error:
            self._transport.write(protocol.packed(protocol.close(CloseCode.PROTOCOL, str(error))))
        except Exception:
            logger.exception("a question about a console log failed")
            self._transport.write(protocol.packed(protocol.close(CloseCode.FAILED, "")))
        finally:
            self._transport.close()
