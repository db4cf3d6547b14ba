"""Whether the people at open consoles may still be there: a fixed number of queries for any number of consoles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.models import Session
from django.db.models import BigAutoField, CharField, DateTimeField, Q, QuerySet, Value
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from consoles.close_codes import CloseCode, ConsoleRefused
from consoles.models import Mode
from guests.access import Action, Role, gives, role_on, visible_to
from guests.inventory.models import Guest
from guests.prepared import Given, Prepared

# A guest that is migrated may be on no host for a moment: its consoles wait for it.
BETWEEN_HOSTS = timedelta(seconds=60)
SESSIONS_DECODED = 256  # that are remembered
ARMS = 40  # of one UNION: SQLite ends at 500, and each arm brings some variables

_ACTION = {Mode.WATCH: Action.WATCH, Mode.CONTROL: Action.TYPE}


def living_session() -> QuerySet[Session]:
    """The session with the key `session_key` that is not over `now`: to be prepared."""
    return Session.objects.filter(
        session_key=Given("session_key", CharField()), expire_date__gt=Given("now", DateTimeField())
    )


_SESSION = Prepared(lambda: living_session().values_list("session_data", flat=True))
_USER = Prepared(lambda: get_user_model().objects.filter(pk=Given("id", BigAutoField())))


@dataclass(frozen=True, slots=True)
class Held:
    """What a live console stands on: a person, signed in by this session, holding this mode on this guest."""

    user_id: int
    session_key: str
    guest_id: UUID
    mode: Mode

    def as_watcher(self) -> Held:
        """The same, looking only."""
        return replace(self, mode=Mode.WATCH)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a console may not go on; `may_watch` where a controller only lost the keyboard."""

    close_code: CloseCode
    may_watch: bool = False

    def sentence(self) -> str:
        """For the person, in the active language."""
        if self.close_code == CloseCode.NOT_SIGNED_IN:
            return _("You are not signed in any more.")
        return _("You may not use this console any more.")

    def as_refusal(self) -> ConsoleRefused:
        """To be raised before the console is open."""
        return ConsoleRefused(self.close_code, self.sentence())


def signed_in(session_key: str, read: tuple[str | None, AbstractBaseUser] | None = None) -> AbstractBaseUser | None:
    """The active person whom this session signs in now. Only read: Django's and Channels' own `get_user` renew or end a
    session that was made with a former secret key, and a handshake cannot give the browser a new cookie.

    `read`: what is stored of this session, and somebody whom it may be about, where both were read just now.
    """
    if not session_key:
        return None
    data, user = read or (_SESSION.first(session_key=session_key, now=timezone.now()), None)
    stored = _decoded(data) if data else {}
    if user is None or str(user.pk) != str(stored.get(SESSION_KEY)):
        user = _USER.first(id=stored[SESSION_KEY]) if SESSION_KEY in stored else None
    return user if user and user.is_active and _signs_in(stored, user) else None


def standing(held: Held, guest: Guest, user: AbstractBaseUser | None = None) -> tuple[AbstractBaseUser, Role]:
    """Who would be at the console, and their role on its guest. Raises ConsoleRefused where `judge` would refuse.

    `user`: who is known to be signed in by the session.
    """
    user = user or signed_in(held.session_key)
    if user is None or user.pk != held.user_id:
        raise Verdict(CloseCode.NOT_SIGNED_IN).as_refusal()
    role = role_on(user, guest) if guest.gone_at is None else None
    if role is None or not gives(role, _ACTION[held.mode]):
        raise Verdict(CloseCode.NOT_ALLOWED).as_refusal()
    return user, role


def judge(consoles: Iterable[Held]) -> dict[Held, Verdict]:
    """The ones that may not go on. Two queries, and one for each 40 different pairs of person and mode."""
    asked = list(consoles)
    if not asked:
        return {}
    users = get_user_model().objects.in_bulk({held.user_id for held in asked})
    living = Session.objects.filter(expire_date__gt=timezone.now())
    sessions = living.in_bulk({held.session_key for held in asked})
    allowed = _allowed(asked, users)
    verdicts = {}
    for held in asked:
        user, session = users.get(held.user_id), sessions.get(held.session_key)
        if user is None or session is None or not user.is_active or not _signs_in(_decoded(session.session_data), user):
            verdicts[held] = Verdict(CloseCode.NOT_SIGNED_IN)
        elif (held.user_id, held.mode, held.guest_id) not in allowed:
            may_watch = held.mode == Mode.CONTROL and (held.user_id, Mode.WATCH, held.guest_id) in allowed
            verdicts[held] = Verdict(CloseCode.NOT_ALLOWED, may_watch=may_watch)
    return verdicts


@lru_cache(SESSIONS_DECODED)
def _decoded(data: str) -> Mapping[str, Any]:
    """What a session's stored text says, once its signature is checked: that depends on the text and the key alone.

    The same sessions are asked for again and again: for each console of a person, and every 20 s for all that are open.
    """
    return MappingProxyType(Session(session_data=data).get_decoded())


def _signs_in(session: Mapping[str, Any], user: AbstractBaseUser) -> bool:
    """As django.contrib.auth.get_user(): the session names the user and was made with the password of now."""
    stored = session.get(HASH_SESSION_KEY)
    if str(session.get(SESSION_KEY)) != str(user.pk) or not stored:
        return False
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(stored, known) for known in hashes)


def _allowed(asked: list[Held], users: Mapping[int, AbstractBaseUser]) -> set[tuple[int, str, UUID]]:
    """(user, mode, guest) for every guest asked about that is there and that the user may use in that mode."""
    wanted: dict[tuple[int, Mode], set[UUID]] = {}
    for held in asked:
        for mode in {held.mode, Mode.WATCH}:
            wanted.setdefault((held.user_id, mode), set()).add(held.guest_id)
    arms = [
        visible_to(users[user_id], _ACTION[mode])
        .filter(Q(gone_at__isnull=True) | Q(gone_at__gt=timezone.now() - BETWEEN_HOSTS), pk__in=guests)
        .order_by()
        .values_list(Value(user_id), Value(str(mode)), "pk")
        for (user_id, mode), guests in wanted.items()
        if user_id in users
    ]
    found: set[tuple[int, str, UUID]] = set()
    for start in range(0, len(arms), ARMS):
        first, *others = arms[start : start + ARMS]
        found.update(first.union(*others, all=True) if others else first)
    return found
