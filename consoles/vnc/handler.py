"""One browser's visit to /websockify: origin → session → ticket → permission → guest → relay, in this order.

A foreign page and nobody get HTTP 403 before the upgrade. A signed-in person who is refused for any other reason is let
in, sent nothing, and told why by a close code and a sentence: browsers show pages neither of an HTTP answer.
"""

from __future__ import annotations

import functools
import io
import logging
import socket
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.db import connection as database
from django.utils import translation
from django.utils.translation import gettext as _
from websockify.websocketproxy import ProxyRequestHandler

from consoles.addresses import client_address
from consoles.close_codes import CloseCode, ConsoleRefused
from consoles.console_settings import setting_read_with
from consoles.handshakes import SENTENCE, seconds_to_wait, was_refused
from consoles.models import Kind, ScreenRecordings, Sharing, Ticket
from consoles.sessions import LiveSession
from consoles.tickets import redeem
from consoles.vnc.browser_socket import BrowserSocket
from consoles.vnc.endings import Ending
from consoles.vnc.gate import Forbidden, Visitor, visitor_of
from consoles.vnc.guest_stream import GuestStream
from consoles.vnc.header_reader import HeaderReader, fields_of
from consoles.vnc.pump import Gone, Pump
from consoles.vnc.rfb import greet_guest
from consoles.vnc.visit import Visit
from guests import audit

if TYPE_CHECKING:
    from consoles.vnc.server import RelayServer

logger = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
PATH = "/websockify"


class VNCHandler(ProxyRequestHandler):  # type: ignore[misc]
    """Runs in a thread of its own; `self.request` is the socket, and after the upgrade the websocket."""

    SocketClass = BrowserSocket
    server: RelayServer
    client_address: Any
    server_version = "guesthouse"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(HeaderReader(self.connection))
        self.visitor: Visitor | None = None
        self.rights_heard = -1  # by the console server, before the visitor was looked at
        if self.connection.family != socket.AF_UNIX:
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def finish(self) -> None:
        super().finish()
        database.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing of a request's text is logged: it holds tickets and cookies."""

    def parse_request(self) -> bool:
        """The request line and the fields of the header. One request a connection."""
        self.command, self.request_version, self.close_connection = "", self.protocol_version, True
        self.requestline = self.raw_requestline.decode("latin-1").rstrip("\r\n")
        try:
            self.command, self.path, version = self.requestline.split(" ")
            if version != self.protocol_version:
                raise ValueError("another HTTP")
            self.headers = fields_of(self.rfile)
        except ValueError:
            self.send_error(400)
            return False
        return True

    def do_GET(self) -> None:
        self._answer(426, "This address speaks WebSocket only.")

    def do_HEAD(self) -> None:
        self._answer(426, "")

    def _answer(self, status: int, text: str, *, retry_after: int = 0) -> None:
        self.close_connection = True
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if retry_after:
            self.send_header("Retry-After", str(retry_after))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def handle_upgrade(self) -> None:
        """Before the upgrade: how often this address was refused, path, origin, session."""
        if seconds := seconds_to_wait(self._peer()):
            self._answer(429, SENTENCE.format(seconds=seconds), retry_after=seconds)
            return
        if urlsplit(self.path).path != PATH:
            self._answer(404, "Not found.")
            return
        try:
            self.rights_heard = self.server.sessions.rights_heard
            with self.server.database.lent():
                self.visitor = visitor_of(self.headers, self.path)
        except Forbidden as refusal:
            logger.info("console refused before the upgrade: %s", refusal)
            was_refused(self._peer())
            self._answer(403, "Forbidden.")
            return
        self.connection.settimeout(HANDSHAKE_SECONDS)
        super().handle_upgrade()

    def validate_connection(self) -> None:
        """Nothing: websockify would put the target on the server object, which all threads share."""

    def auth_connection(self) -> None:
        """Done in `handle_upgrade`, before anything else."""

    def new_websocket_client(self) -> None:
        """After the upgrade."""
        assert self.visitor is not None
        try:
            with translation.override(self.visitor.language):
                ending = self._be_visited(self.visitor)
        except Exception:
            logger.exception("a graphical console failed")
            ending = _wrong()
        self.request.end(ending.close_code, ending.sentence)

    def _be_visited(self, visitor: Visitor) -> Ending:
        with ExitStack() as leaving:
            with self.server.database.lent():
                ticket: Ticket | None = None
                try:
                    ticket = redeem(
                        visitor.token,
                        user=visitor.user,
                        session_key=visitor.session_key,
                        kind=Kind.VNC,
                        guest_id=visitor.guest_id,
                        ticket=visitor.ticket,
                    )
                    visit = leaving.enter_context(
                        closing(Visit(visitor.user, ticket.guest, ticket.mode, record=ticket.record))
                    )
                    live = self._open(visitor, ticket, visit)
                except ConsoleRefused as refusal:
                    if ticket is None:
                        was_refused(self._peer())
                    audit.record(
                        "console.open",
                        by=visitor.user,
                        guest=ticket.guest if ticket else None,
                        outcome="denied",
                        address=self._peer(),
                        kind=str(Kind.VNC),
                        reason=refusal.sentence,
                    )
                    return Ending(refusal.close_code, refusal.sentence)
            return self._serve(visit, live)

    def _open(self, visitor: Visitor, ticket: Ticket, visit: Visit) -> LiveSession:
        visit.live = self.server.sessions.open(
            kind=Kind.VNC,
            mode=ticket.mode,
            user_id=visitor.user.pk,
            session_key=visitor.session_key,
            signed_in=(visitor.user, self.rights_heard),
            guest=ticket.guest,
            peer=self._peer(),
            on_revoke=visit.end,
            on_downgrade=visit.become_watcher,
        )
        self.server.let_in(self.connection)
        return visit.live

    def _serve(self, visit: Visit, live: LiveSession) -> Ending:
        ending = _wrong()
        try:
            with self.server.visits.present(visit):
                ending = self._relay(visit, live)
        except ConsoleRefused as refusal:
            ending = Ending(refusal.close_code, refusal.sentence)
        finally:
            with self.server.database.lent():
                live.close(ending.sentence)
        return ending

    def _relay(self, visit: Visit, live: LiveSession) -> Ending:
        hosts, guest = self.server.hosts, visit.guest
        encrypt = functools.partial(hosts.encrypted, guest)
        with closing(GuestStream(hosts.screen(guest), encrypt)) as screen:
            try:
                greet_guest(screen, lambda: hosts.password(guest))
            except OSError as error:
                raise ConsoleRefused(CloseCode.FAILED, _("The guest's screen does not answer.")) from error
            setting = setting_read_with(guest)
            with (
                self.server.recordings.made(visit, live, ScreenRecordings(setting.screen)),
                self.server.seats.taken(visit, live, Sharing(setting.keyboard)),
            ):
                ending = Pump(self.request, screen.socket, visit, live).run()
        return hosts.why_gone(guest) if isinstance(ending, Gone) else ending

    def _peer(self) -> str:
        peer = str(self.client_address[0]) if isinstance(self.client_address, tuple) else ""
        return client_address(peer, self.headers.get("X-Forwarded-For", ""))


def _wrong() -> Ending:
    return Ending(CloseCode.FAILED, _("Something went wrong in the console server."))
