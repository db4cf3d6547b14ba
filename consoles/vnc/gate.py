"""Who is let in to /websockify: an exact origin and a signed-in person; a ticket and the right to use it come after.

Cookies and the language are read by Django's own code, from a request that is made of the handshake's header.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.http.cookie import parse_cookie
from django.utils import translation

from consoles.addresses import came_by_tls, from_our_origin
from consoles.models import Ticket
from consoles.rights import signed_in
from consoles.tickets import look_up

TICKET_PREFIX = "t."


class Forbidden(Exception):
    """HTTP 403 before the upgrade: a foreign page, or nobody."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever stands at the gate, known by session cookie, and what they brought."""

    user: AbstractBaseUser
    session_key: str
    language: str
    token: str  # "" where they brought no ticket
    ticket: Ticket | None  # as it stands, not redeemed, perhaps another person's
    guest_id: UUID | None  # what the page says it shows


def visitor_of(header: Message, path: str) -> Visitor:
    """Check origin, then session; Forbidden where one of them does not stand."""
    if not from_our_origin(header.get_all("Origin") or []):
        raise Forbidden("origin")
    if not came_by_tls(header.get("X-Forwarded-Proto", "")):
        raise Forbidden("scheme")
    request = HttpRequest()
    request.COOKIES = parse_cookie("; ".join(header.get_all("Cookie") or []))
    request.META = {"HTTP_ACCEPT_LANGUAGE": header.get("Accept-Language", "")}
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    token = _token(header)
    ticket = look_up(token, session_key) if token else None
    user = signed_in(session_key, (ticket.session_data, ticket.user) if ticket else None)
    if user is None:
        raise Forbidden("session")
    return Visitor(
        user=user,
        session_key=session_key,
        language=translation.get_language_from_request(request),
        token=token,
        ticket=ticket,
        guest_id=_guest_id(path),
    )


def _token(header: Message) -> str:
    offered = [word.strip() for value in header.get_all("Sec-WebSocket-Protocol") or [] for word in value.split(",")]
    tokens = [word.removeprefix(TICKET_PREFIX) for word in offered if word.startswith(TICKET_PREFIX)]
    return tokens[0] if len(tokens) == 1 and len(tokens[0]) <= 100 else ""


def _guest_id(path: str) -> UUID | None:
    named = parse_qs(urlsplit(path).query).get("guest")
    if not named:
        return None
    try:
        return UUID(named[0])
    except ValueError:
        raise Forbidden("guest") from None
