"""Tickets: a short-lived pass to one graphical console of one guest, for one person in one browser session.

A page asks for one (POST, CSRF, permission) and its websocket hands it in as a sub-protocol. 256 random bits, of which
only the SHA-256 is stored; good for `settings.TICKET_SECONDS`, once.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import BigAutoField, CharField, DateTimeField, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from consoles.close_codes import CloseCode, ConsoleRefused
from consoles.models import Kind, Mode, Ticket
from consoles.rights import living_session
from consoles.sessions import session_hash
from guests.inventory.models import Guest
from guests.prepared import Given, Prepared, PreparedUpdate

_USED = PreparedUpdate(
    lambda: Ticket.objects.filter(
        token_hash=Given("token_hash", CharField()),
        used_at__isnull=True,
        expires_at__gt=Given("now", DateTimeField()),
        user=Given("user", BigAutoField()),
        session_hash=Given("session_hash", CharField()),
        kind=Given("kind", CharField()),
    ),
    used_at=Given("now", DateTimeField()),
)
_TICKET = Prepared(
    lambda: (
        Ticket.objects.filter(token_hash=Given("token_hash", CharField()))
        .annotate(session_data=Subquery(living_session().values("session_data")))  # type: ignore[no-redef]
        .select_related("user", "guest__host", "guest__console_setting")
        .only(
            *("user", "host", "kind", "mode", "record"),
            *(f"guest__{name}" for name in ("uuid", "name", "host__name", "host__uri", "gone_at", "definition")),
            *(f"guest__console_setting__{name}" for name in ("keyboard", "record", "screen")),
        )
    )
)
KEPT = timedelta(minutes=10)  # dead tickets are swept out by the next mint


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def mint(
    user: AbstractBaseUser, session_key: str, guest: Guest, *, kind: Kind, mode: Mode, record: bool = False
) -> str:
    """A new ticket's token, 43 characters that fit a sub-protocol's name. The caller checked the permission."""
    now = timezone.now()
    Ticket.objects.filter(expires_at__lt=now - KEPT).delete()
    token = secrets.token_urlsafe(32)
    Ticket.objects.create(
        token_hash=_hash(token),
        user_id=user.pk,
        session_hash=session_hash(session_key),
        guest=guest,
        host=guest.host,
        kind=kind,
        mode=mode,
        record=record,
        expires_at=now + timedelta(seconds=settings.TICKET_SECONDS),
    )
    return token


def look_up(token: str, session_key: str) -> Ticket | None:
    """A ticket as it stands, with person, guest, host and setting, and as `session_data` what is stored of the session.

    One query for all that a handshake has to know. It decides nothing: the person may be another one.
    """
    return _TICKET.first(token_hash=_hash(token), session_key=session_key, now=timezone.now())


def redeem(
    token: str,
    *,
    user: AbstractBaseUser,
    session_key: str,
    kind: Kind,
    guest_id: UUID | None = None,
    ticket: Ticket | None = None,
) -> Ticket:
    """Use a ticket up and return it with its guest and host. One UPDATE decides, so of two redeemers one loses.

    `ticket`: what `look_up` just found. `guest_id`: the guest that the page says it shows, where it says so.
    Raises ConsoleRefused (4403), always with the same sentence: unknown, used, expired, another person's, another
    session's, another kind's and another guest's ticket look alike. A ticket does not follow its guest to another host
    (4412): a new one does.
    """
    ticket = ticket or look_up(token, session_key)
    fits = ticket is not None and guest_id in {None, ticket.guest_id}
    if not fits or not _USED.run(
        token_hash=_hash(token),
        now=timezone.now(),
        user=user.pk,
        session_hash=session_hash(session_key),
        kind=kind,
    ):
        raise ConsoleRefused(CloseCode.NOT_ALLOWED, _("The ticket is not valid any more. Connect again."))
    assert ticket is not None
    if ticket.guest.host_id != ticket.host_id:
        raise ConsoleRefused(CloseCode.MOVED, _("%(guest)s is on another host now.") % {"guest": ticket.guest.name})
    return ticket
