"""The API's door: a request below /api/v1/ has no cookies, and is the bearer's of its token.

What is no session cookie can be forged by no other site, so no CSRF token is needed; and whoever is signed in in a
browser is nobody here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from dashboard.accounts.recording import address_of
from dashboard.api.errors import error_answer, is_for_programs, method_not_allowed
from dashboard.errors import too_often
from dashboard.rates import READS, actions_of_a_person, requests_of_an_address
from guests import audit
from guests.access.tokens import APIToken, bearer, find_token, note_use
from guests.rates import Rate, neighbourhood

RECORDED_PER_MINUTE = 10  # of refused tokens from one address: guessing must not fill the record


class APIDoor:
    """Takes away cookies, lets a valid token's bearer in, counts their requests, and answers the others itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.requests = Rate(lambda: settings.API_REQUESTS_PER_MINUTE)
        self.recorded = Rate(lambda: RECORDED_PER_MINUTE)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_for_programs(request):
            return self.get_response(request)
        request.META.pop("HTTP_COOKIE", None)
        answer = self.get_response(request)
        return method_not_allowed(request, answer) if answer.status_code == 405 else answer

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """Before Django's own check that somebody is signed in."""
        if not is_for_programs(request) or not getattr(view, "login_required", True):
            return None
        scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return self._unauthorized(request, _("Send an API token in the header “Authorization: Bearer …”."))
        token = find_token(secret.strip())
        if why := _why_not(token):
            self._record(request, token, why)
            sentence = _("This API token is not valid: it is unknown, expired or revoked. Make another one.")
            return self._unauthorized(request, sentence, error="invalid_token")
        assert token is not None
        wait = self.requests.take(token.pk)
        if not wait and request.method not in READS:
            wait = actions_of_a_person.take(token.user.pk)  # with all their tokens, and in their browsers
        if wait:
            return too_often(request, wait)
        note_use(token, address_of(request))
        request.user = bearer(token)  # type: ignore[assignment]
        return None

    def _record(self, request: HttpRequest, token: APIToken | None, why: str) -> None:
        address = address_of(request)
        if self.recorded.take(address):
            return
        by, name = (token.user, str(token)) if token else (None, "")
        audit.record("token.refused", by=by, outcome="denied", address=address, why=why, token=name)

    def _unauthorized(self, request: HttpRequest, sentence: str, error: str = "") -> HttpResponse:
        """401; a flood of them from one address is answered 429."""
        if wait := requests_of_an_address.take(neighbourhood(address_of(request))):
            return too_often(request, wait)
        answer = error_answer(request, 401, sentence)
        answer["WWW-Authenticate"] = 'Bearer realm="Guesthouse"' + (f', error="{error}"' if error else "")
        return answer


def _why_not(token: APIToken | None) -> str:
    """What keeps a token from opening the door, for the record; "" for nothing."""
    if token is None:
        return "unknown"
    if not token.user.is_active:
        return "its owner is disabled"
    if token.revoked_at is not None:
        return "revoked"
    return "" if token.is_valid else "expired"
