"""One TCP port for pages and graphical consoles, without a reverse proxy.

The web process owns the port. It looks at the first bytes of a connection without taking them (MSG_PEEK): a request for
/websockify goes, as an open descriptor (SCM_RIGHTS), to the console server; everything else to daphne. Neither copies a
byte for the other afterwards. Not for a proxy that reuses upstream connections: there, route two upstreams.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from pathlib import Path
from typing import Any

from daphne.server import Server, twisted_loop
from django.conf import settings
from twisted.internet import defer, reactor

from consoles.close_codes import CloseCode
from consoles.handshakes import SENTENCE
from dashboard.draining import Drain, drain_of
from dashboard.http_request import BoundedRequests

logger = logging.getLogger(__name__)

HEADER_SECONDS = 10.0  # from connect until it is known who serves the connection
UNDECIDED = 512  # connections that may wait for that at once
AGAIN_SECONDS = 0.05  # a half-sent word is looked at again after this: its bytes stay readable, so no event comes
BACKLOG = 1024
MESSAGE_LIMIT = 1 << 20  # bytes of a websocket frame or message that daphne takes

_CONSOLE = (b"GET /websockify ", b"GET /websockify?")
_PEEK = len(_CONSOLE[0])
_AWAY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n"
    b"Retry-After: 2\r\nContent-Length: 35\r\nConnection: close\r\n\r\nThe console server does not answer."
)


def for_console(first: bytes) -> bool | None:
    """Whether a connection that begins so is for the console server; None while that cannot be told."""
    if any(first.startswith(word) for word in _CONSOLE):
        return True
    if first and any(word.startswith(first) for word in _CONSOLE):
        return None
    return False


class OnePort(Server):  # type: ignore[misc]
    """daphne behind our own listening socket."""

    def __init__(
        self,
        application: Any,
        *,
        listener: socket.socket,
        handoff: Path,
        header_seconds: float = HEADER_SECONDS,
    ) -> None:
        super().__init__(
            application,
            endpoints=["none"],  # daphne refuses to start without one; it never sees it
            ping_interval=20,
            ping_timeout=30,
            websocket_timeout=-1,  # no end after a day
            websocket_max_message_size=MESSAGE_LIMIT,
            websocket_max_frame_size=MESSAGE_LIMIT,
            server_name="guesthouse",
            verbosity=0,
        )
        self.endpoints: list[str] = []
        self._listener = listener
        self._handoff = str(handoff)
        self._header_seconds = header_seconds
        self._loop: asyncio.AbstractEventLoop = twisted_loop
        self._undecided: dict[socket.socket, asyncio.TimerHandle] = {}

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        self._listener.setblocking(False)
        reactor.callWhenRunning(self._begin)
        reactor.addSystemEventTrigger("before", "shutdown", self._stop_accepting)
        super().run()

    def _begin(self) -> None:
        self.http_factory = BoundedRequests(self)
        self._loop.add_reader(self._listener, self._accept)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """As daphne does; the piece of a streamed response is sent when there is room for it.

        A handshake that is refused as one too many is answered 429, which daphne has no word for.
        """
        if message["type"] == "websocket.close" and message.get("code") == CloseCode.TOO_FAST:
            waiting = protocol in self.connections and protocol.state == protocol.STATE_CONNECTING
            if waiting and (seconds := message.get("reason")):
                protocol.failHandshake(SENTENCE.format(seconds=seconds), 429, [("Retry-After", seconds)])
                self.protocol_disconnected(protocol)
                return
        body = message["type"] == "http.response.body" and protocol in self.connections
        streams = body and message.get("more_body", False)
        if body and not streams and isinstance(protocol.producer, Drain):
            protocol.unregisterProducer()
        await super().handle_reply(protocol, message)
        if streams and not protocol.finished and protocol.channel is not None:
            await drain_of(protocol).writable.wait()

    def _stop_accepting(self) -> None:
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for connection in list(self._undecided):
            self._drop(connection)

    def _accept(self) -> None:
        try:
            connection, _address = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            # Out of descriptors: the backlog waits; without the pause this would be a busy loop.
            logger.error("no connection can be accepted: %s", error)
            self._loop.remove_reader(self._listener)
            self._loop.call_later(1.0, self._accept_again)
            return
        if len(self._undecided) >= UNDECIDED:
            connection.close()
            return
        connection.setblocking(False)
        self._undecided[connection] = self._loop.call_later(self._header_seconds, self._drop, connection)
        self._look(connection)  # what a client on this machine asked is often here already

    def _accept_again(self) -> None:
        if self._listener.fileno() != -1:
            self._loop.add_reader(self._listener, self._accept)

    def _look(self, connection: socket.socket) -> None:
        if connection not in self._undecided:
            return
        try:
            first = connection.recv(_PEEK, socket.MSG_PEEK)
        except BlockingIOError:
            self._loop.add_reader(connection, self._look, connection)
            return
        except OSError:
            first = b""
        if not first:
            self._drop(connection)
            return
        console = for_console(first)
        if console is None:
            self._loop.remove_reader(connection)
            self._loop.call_later(AGAIN_SECONDS, self._look, connection)
            return
        self._decided(connection)
        if console:
            self._hand_off(connection)
        else:
            # daphne gets a descriptor of its own.
            reactor.adoptStreamConnection(connection.fileno(), connection.family, self.http_factory)
        connection.close()

    def _decided(self, connection: socket.socket) -> None:
        self._loop.remove_reader(connection)
        self._undecided.pop(connection).cancel()

    def _drop(self, connection: socket.socket) -> None:
        self._decided(connection)
        connection.close()

    def _hand_off(self, connection: socket.socket) -> None:
        try:
            with socket.socket(socket.AF_UNIX) as console_server:
                # Never wait here: a full backlog there is an answer of 503, not a page that hangs.
                console_server.setblocking(False)
                console_server.connect(self._handoff)
                socket.send_fds(console_server, [b"websocket"], [connection.fileno()])
        except OSError as error:
            logger.warning("the console server cannot be reached: %s", error)
            with contextlib.suppress(OSError):
                connection.send(_AWAY)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1 << 16)  # what is left unread at a close would take the answer back (RST)

    def kill_all_applications(self) -> Any:
        """Cancel what still runs; daphne's own stumbles over a connection that has asked nothing yet."""
        running = [
            details["application_instance"]
            for details in self.connections.values()
            if "application_instance" in details and not details["application_instance"].done()
        ]
        for application in running:
            application.cancel()
        ended = defer.Deferred.fromFuture(asyncio.gather(*running, return_exceptions=True))
        return ended.addTimeout(5, reactor).addErrback(lambda _failure: None)


def listen(host: str, port: int) -> socket.socket:
    """The listening socket; IPv6 where the address is one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def serve_one_port(application: Any, *, header_seconds: float = HEADER_SECONDS) -> None:
    """Run the web process on `settings.LISTEN`:`settings.PORT` until it is told to stop."""
    listener = listen(settings.LISTEN, settings.PORT)
    OnePort(application, listener=listener, handoff=Path(settings.HANDOFF_SOCKET), header_seconds=header_seconds).run()
