"""The web process's side of console logs: the console server owns the files, and is asked over its unix socket.

Ask `guest_for(…, Action.WATCH)` first: there is no check of rights behind this.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from consoles.close_codes import CloseCode
from consoles.text import protocol
from consoles.text.protocol import ANSWER_BYTES, ToBrowser, Unpacker

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
READ_BYTES = 64 * 1024


class LogUnavailable(Exception):
    """The console server does not answer; `str(error)` is a sentence for the person."""


def _unavailable() -> LogUnavailable:
    return LogUnavailable(_("The console server does not answer. Try again in a moment."))


def ask_log(ask: str, guest_id: UUID, device: str, **details: Any) -> dict[str, Any]:
    """The answer to "overview", "search" or "range". Blocks at most about 10 s."""
    unpacker = Unpacker(ANSWER_BYTES)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(str(settings.CONSOLE_SOCKET))
            connection.sendall(protocol.packed(protocol.log_question(ask, guest_id, device, **details)))
            while content := connection.recv(READ_BYTES):
                for message in unpacker.feed(content):
                    if message[0] == ToBrowser.STATUS:
                        return protocol.parse_json(message)
                    raise _unavailable()
    except OSError as error:
        raise _unavailable() from error
    raise _unavailable()


def see_that_it_answers() -> None:
    """Raise LogUnavailable now: a download that has begun can say nothing any more."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(str(settings.CONSOLE_SOCKET))
    except OSError as error:
        raise _unavailable() from error


async def stream_log(ask: str, guest_id: UUID, device: str, **details: Any) -> AsyncIterator[bytes]:
    """The content of "text", "raw" or "cast", read no faster than it is taken; a torn one ends with a log line."""
    reader, writer = await asyncio.open_unix_connection(settings.CONSOLE_SOCKET, limit=READ_BYTES)
    unpacker = Unpacker(ANSWER_BYTES)
    try:
        writer.write(protocol.packed(protocol.log_question(ask, guest_id, device, **details)))
        while content := await reader.read(READ_BYTES):
            for message in unpacker.feed(content):
                if message[0] == ToBrowser.CONTENT:
                    yield message[1:]
                elif message[0] == ToBrowser.CLOSE:
                    if protocol.parse_close(message)[0] != CloseCode.NORMAL:
                        logger.error("a console log was not read to its end")
                    return
        logger.error("the console server went away while a log was read")
    finally:
        writer.close()
