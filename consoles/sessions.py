"""Consoles that are open now: who, where, how much, and whether they still may.

One `LiveSessions` per console server, for both kinds of console. It keeps the record (`ConsoleSession` and the audit
lines), the caps, and the promise that a console never outlives the right to see it: every live session is checked again
when rights change (`Feed.RIGHTS`) and every 20 s. All of it talks to the database: call it from a thread.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from consoles.close_codes import CloseCode, ConsoleRefused
from consoles.models import ConsoleSession, Kind, Mode
from consoles.rights import Held, Verdict, judge, standing
from guests import audit
from guests.access import Role
from guests.inventory.changes import ChangeFeed, Feed
from guests.inventory.models import Guest
from guests.prepared import PreparedInsert

__all__ = ["CloseCode", "ConsoleRefused", "LiveSession", "LiveSessions", "session_hash", "session_key_of"]

logger = logging.getLogger(__name__)

_ADDED = PreparedInsert(ConsoleSession)
CHECK_SECONDS = 20.0  # a lost push is noticed after this at the latest
_ENDED_BY_RESTART = "the console server was restarted"


def session_hash(session_key: str) -> str:
    """What is stored and passed between processes instead of a session key."""
    return hashlib.sha256(session_key.encode()).hexdigest()


def session_key_of(wanted: str) -> str:
    """The key of a living session with that hash, else ConsoleRefused. Reads keys only; a site has some hundreds."""
    keys = Session.objects.filter(expire_date__gt=timezone.now()).values_list("session_key", flat=True)
    found = next((key for key in keys.iterator() if session_hash(key) == wanted), None)
    if found is None:
        raise ConsoleRefused(CloseCode.NOT_SIGNED_IN, _("You are not signed in."))
    return found


@dataclass(eq=False, slots=True)
class LiveSession:
    """One open console of one person. Only its console's own thread or loop counts and closes."""

    id: UUID
    held: Held
    kind: Kind
    device: str
    on_revoke: Callable[[int, str], None]
    on_downgrade: Callable[[], None] | None
    peer: str
    language: str | None
    role: Role | None  # on the guest when it was opened; for what is done later, ask anew
    _registry: LiveSessions
    user_name: str = ""
    started: float = field(default_factory=time.monotonic)
    bytes_in: int = 0  # from the person
    bytes_out: int = 0  # to the person
    dropped: dict[str, int] = field(default_factory=dict)  # messages that a watcher sent and the guest never saw

    @property
    def mode(self) -> Mode:
        """What the person may do now; a controller may become a watcher."""
        return self.held.mode

    def count(self, *, bytes_in: int = 0, bytes_out: int = 0) -> None:
        """Add to the record's totals; no database."""
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out

    def so_far(self) -> dict[str, Any]:
        """What was moved and for how long, for the record."""
        seconds = round(time.monotonic() - self.started, 1)
        return {"bytes_in": self.bytes_in, "bytes_out": self.bytes_out, "seconds": seconds}

    def close(self, reason: str) -> None:
        """End the record. Safe to call twice. Writes to the database."""
        self._registry.close(self, reason)


class LiveSessions:
    """The open consoles of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: dict[UUID, LiveSession] = {}
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self.rights_heard = 0  # how often it was heard that rights changed

    def __len__(self) -> int:
        return len(self._live)

    def open(
        self,
        *,
        kind: Kind | str,
        mode: Mode | str,
        user_id: int,
        session_key: str,
        signed_in: tuple[AbstractBaseUser, int] | None = None,
        guest: Guest,
        device: str = "",
        peer: str = "",
        on_revoke: Callable[[int, str], None],
        on_downgrade: Callable[[], None] | None = None,
    ) -> LiveSession:
        """Register a console, if person, session and right are there and no cap is reached; else ConsoleRefused.

        `on_revoke(close_code, sentence)` is called from another thread and must return at once; it has to end the
        console. `on_downgrade()`, where given, is called instead when a controller still may watch.
        The session is in the registry before the right is checked, so a right that is lost meanwhile is not missed.
        `signed_in`: whom the session was found to sign in, and `rights_heard` before that: nobody asks again where
        nothing was heard since. `guest` comes with its host. Few and prepared queries: this stands between a click and
        the console.
        """
        held = Held(user_id=user_id, session_key=session_key, guest_id=guest.pk, mode=Mode(mode))
        row = ConsoleSession(
            kind=kind,
            mode=mode,
            user_id=user_id,
            session_hash=session_hash(session_key),
            guest=guest,
            device=device,
            peer=peer,
        )
        language = translation.get_language()
        live = LiveSession(row.id, held, Kind(kind), device, on_revoke, on_downgrade, peer, language, None, self)
        with self._lock:
            self._refuse_over_caps(user_id, guest.pk)
            self._live[row.id] = live
        try:
            with transaction.atomic():
                found, heard = signed_in or (None, 0)
                user, live.role = standing(held, guest, found if heard == self.rights_heard else None)
                live.user_name = user.get_username()
                _ADDED.save(row)
                audit.record(
                    "console.open",
                    by=user,
                    guest=guest,
                    address=peer,
                    kind=str(kind),
                    mode=str(mode),
                    device=device,
                )
        except BaseException:
            with self._lock:
                self._live.pop(row.id, None)
            raise
        return live

    def _refuse_over_caps(self, user_id: int, guest_id: UUID) -> None:
        live = self._live.values()
        if sum(s.held.user_id == user_id for s in live) >= settings.CONSOLES_PER_USER:
            raise ConsoleRefused(
                CloseCode.TOO_MANY_OF_USER, _("You have too many consoles open. Close one of them first.")
            )
        if sum(s.held.guest_id == guest_id for s in live) >= settings.CONSOLES_PER_GUEST:
            raise ConsoleRefused(CloseCode.TOO_MANY_OF_GUEST, _("Too many people are at the consoles of this guest."))
        if len(live) >= settings.CONSOLES_PER_PROCESS:
            raise ConsoleRefused(CloseCode.TOO_MANY, _("Too many consoles are open. Try again later."))

    def close(self, live: LiveSession, reason: str) -> None:
        """What LiveSession.close does."""
        with self._lock:
            if self._live.pop(live.id, None) is None:
                return
        with transaction.atomic():
            # Without a row the account was deleted meanwhile, and its visits with it; the record stays.
            row = ConsoleSession.objects.select_related("user", "guest__host").filter(pk=live.id).first()
            if row is not None:
                row.mode, row.ended_at, row.reason = live.mode, timezone.now(), reason[:120]
                row.bytes_in, row.bytes_out = live.bytes_in, live.bytes_out
                row.save(update_fields=["mode", "ended_at", "reason", "bytes_in", "bytes_out"])
            audit.record(
                "console.close",
                by=row.user if row else None,
                by_name=live.user_name,
                guest=row.guest if row else Guest.objects.filter(pk=live.held.guest_id).first(),
                address=live.peer,
                kind=str(live.kind),
                mode=str(live.mode),
                device=live.device,
                reason=reason,
                dropped=live.dropped,
                **live.so_far(),
            )

    def start(self, feed: ChangeFeed) -> None:
        """Begin to check; records that an earlier console server left open are ended."""
        ConsoleSession.objects.filter(ended_at__isnull=True).update(ended_at=timezone.now(), reason=_ENDED_BY_RESTART)
        self._unsubscribe = feed.subscribe(self._hear)
        self._thread = threading.Thread(target=self._run, name="console-rights", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the checking and every console that is still open."""
        self._unsubscribe()
        self._stopping = True
        self._wake.set()
        if self._thread:
            self._thread.join(timeout=5)
        for live in self._snapshot():
            live.on_revoke(CloseCode.GOING_AWAY, _("The console server stops."))

    def _hear(self, moved: dict[Feed, int]) -> None:
        if Feed.RIGHTS in moved:
            self.rights_heard += 1
            self._wake.set()

    def _snapshot(self) -> list[LiveSession]:
        with self._lock:
            return list(self._live.values())

    def _run(self) -> None:
        while True:
            self._wake.wait(CHECK_SECONDS)
            self._wake.clear()
            if self._stopping:
                return
            try:
                self.check()
            except Exception:
                # The database may be restarting; the next turn comes soon, and rights are not widened meanwhile.
                logger.exception("the rights of the open consoles could not be checked")
                self._wake.wait(1)
                self._wake.set()
            finally:
                connection.close()

    def check(self) -> None:
        """Ask the database about every live session once, and end those that may no longer be or are sent away."""
        live = self._snapshot()
        self._send_away(live)
        verdicts = judge([s.held for s in live])
        self._apply((s, verdicts[s.held]) for s in live if s.held in verdicts)

    @staticmethod
    def _send_away(live: list[LiveSession]) -> None:
        """What an administrator asked for (`views.people`)."""
        rows = ConsoleSession.objects.filter(ended_at__isnull=True).exclude(sent_away_by="")
        asked = {row.id: row for row in rows.only("sent_away_by", "sent_away_because")} if live else {}
        for session in live:
            if row := asked.get(session.id):
                with translation.override(session.language):
                    session.on_revoke(CloseCode.SENT_AWAY, row.farewell())

    @staticmethod
    def _apply(lost: Iterable[tuple[LiveSession, Verdict]]) -> None:
        for live, verdict in lost:
            with translation.override(live.language):
                if verdict.may_watch and live.on_downgrade is not None:
                    live.held = live.held.as_watcher()
                    live.on_downgrade()
                else:
                    live.on_revoke(verdict.close_code, verdict.sentence())
