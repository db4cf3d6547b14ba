"""Sessions that end: some days after the sign-in, and some hours after the person last did something (A9).

The end stands in the session's row, so pages, live sockets and consoles all see it. What pages do by themselves (hints
that fetch fragments, pictures, tickets of a console that connects again) moves nothing: an open page, socket or console
keeps no session alive.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends import db
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

SIGNED_IN_AT, ACTIVE_AT = "guesthouse_signed_in_at", "guesthouse_active_at"  # seconds since 1970
NOTED_SECONDS = 60.0  # a page that only reads must not wait for the write lock each time


class SessionStore(db.SessionStore):
    """Django's sessions in the database, with the two limits on top of what the sign-in chose."""

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        chosen = super().get_expiry_date(**kwargs)
        began, active = self.get(SIGNED_IN_AT), self.get(ACTIVE_AT)
        if began is None or active is None:
            return chosen
        longest = timedelta(hours=settings.SESSION_HOURS)
        idle = timedelta(hours=settings.SESSION_IDLE_HOURS)
        return min(chosen, _moment(began) + longest, _moment(active) + idle)

    def get_expiry_age(self, **kwargs: Any) -> int:
        return max(0, round((self.get_expiry_date(**kwargs) - timezone.now()).total_seconds()))


class ActivityMiddleware:
    """Notes once a minute that the person did something."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Only where the page asked who it is: public pages stay the same for everybody, without a cookie.
        if request.session.accessed and request.user.is_authenticated and asked_by_a_person(request):
            now = timezone.now().timestamp()
            if now - request.session.get(ACTIVE_AT, 0) > NOTED_SECONDS:
                request.session.setdefault(SIGNED_IN_AT, now)
                request.session[ACTIVE_AT] = now
        return response


def connect() -> None:
    """Listen to sign-ins: both limits begin anew."""
    user_logged_in.connect(_begin, dispatch_uid="accounts-session-limits")


def asked_by_a_person(request: HttpRequest) -> bool:
    """Whether somebody opened a page, followed a link or sent a form, as the browser tells (Fetch Metadata, htmx).

    Programs without a browser send none of it and count as people.
    """
    if request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate":
        return True
    if request.headers.get("HX-Boosted"):
        return True
    return request.method == "POST" and "HX-Request" in request.headers


def _begin(request: HttpRequest, **_kwargs: Any) -> None:
    request.session[SIGNED_IN_AT] = request.session[ACTIVE_AT] = timezone.now().timestamp()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
