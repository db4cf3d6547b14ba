"""What is asked of the audit record: who, what, where, how it ended, when; and the lines that answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from guests.access import Action, hosts_held, may, visible_to
from guests.audit.models import AuditRecord

OUTCOMES = ("ok", "failed", "denied")
TEXT_LENGTH = 100


def seen_lines(user: AbstractBaseUser | AnonymousUser) -> QuerySet[AuditRecord]:
    """Every line for administrators of everything; else those about guests and hosts that they administrate."""
    if may(user, Action.AUDIT):
        return AuditRecord.objects.all()
    return AuditRecord.objects.filter(
        Q(guest__in=visible_to(user, Action.AUDIT)) | Q(host_name__in=hosts_held(user, Action.AUDIT).values("name"))
    )


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """The page's parameters, cleaned; what makes no sense is left out."""

    who: str = ""  # part of a name, or an address
    what: str = ""  # an action, or the beginning of several up to a dot: "console"
    where: str = ""  # part of a guest's or host's name, or a guest's id
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None
    older: int | None = None  # lines before this one
    newer: int | None = None  # lines after it

    @classmethod
    def from_parameters(cls, parameters: QueryDict) -> AuditQuery:
        outcome = parameters.get("outcome", "")
        return cls(
            who=_text(parameters, "who"),
            what=_text(parameters, "what"),
            where=_text(parameters, "where"),
            outcome=outcome if outcome in OUTCOMES else "",
            since=_moment(parameters, "since"),
            until=_moment(parameters, "until"),
            older=_number(parameters, "older"),
            newer=_number(parameters, "newer"),
        )

    def parts(self) -> dict[str, str]:
        """What was asked for as a form holds it, without the place in the list."""
        parts = {
            "who": self.who,
            "what": self.what,
            "where": self.where,
            "outcome": self.outcome,
            "since": _local(self.since),
            "until": _local(self.until),
        }
        return {name: value for name, value in parts.items() if value}

    def url(self, **changes: object) -> str:
        """The query string with something changed, from the newest line on unless `older` or `newer` is given."""
        changed = replace(self, **{"older": None, "newer": None, **changes})  # type: ignore[arg-type]
        place = {name: str(at) for name in ("older", "newer") if (at := getattr(changed, name))}
        return "?" + urlencode(changed.parts() | place)

    def lines(self, user: AbstractBaseUser | AnonymousUser) -> QuerySet[AuditRecord]:
        """The lines that answer and that the person may see, newest first, wherever in the list."""
        found = seen_lines(user)
        if self.who:
            found = found.filter(Q(user_name__icontains=self.who) | Q(address=self.who))
        if self.what:
            found = found.filter(Q(action=self.what) | Q(action__startswith=f"{self.what}."))
        if self.where:
            found = found.filter(self._is_about())
        if self.outcome:
            found = found.filter(outcome=self.outcome)
        if self.since:
            found = found.filter(at__gte=self.since)
        if self.until:
            found = found.filter(at__lte=self.until)
        return found.order_by("-pk")

    def _is_about(self) -> Q:
        try:
            return Q(guest_id=UUID(self.where))
        except ValueError:
            return Q(guest_name__icontains=self.where) | Q(host_name__icontains=self.where)

    def page(self, user: AbstractBaseUser | AnonymousUser, size: int) -> tuple[list[AuditRecord], bool, bool]:
        """One page: its lines, and whether there are newer and older ones. By key: no page costs more than another."""
        lines = self.lines(user)
        if self.newer is not None:
            found = list(reversed(lines.filter(pk__gt=self.newer).order_by("pk")[: size + 1]))
            more = len(found) > size
            return found[-size:], more, True
        if self.older is not None:
            lines = lines.filter(pk__lt=self.older)
        found = list(lines[: size + 1])
        return found[:size], self.older is not None, len(found) > size


def _text(parameters: QueryDict, name: str) -> str:
    return parameters.get(name, "").replace("\0", "").strip()[:TEXT_LENGTH]


def _number(parameters: QueryDict, name: str) -> int | None:
    typed = parameters.get(name, "")
    return int(typed) if typed.isascii() and typed.isdigit() and 0 < len(typed) < 19 else None


def _moment(parameters: QueryDict, name: str) -> datetime | None:
    """A local time as a form's field sends it, or with a zone as a program writes it."""
    try:
        found = parse_datetime(parameters.get(name, "").strip())
        return timezone.make_aware(found) if found is not None and timezone.is_naive(found) else found
    except (ValueError, OverflowError):
        return None


def _local(moment: datetime | None) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M:%S") if moment else ""
