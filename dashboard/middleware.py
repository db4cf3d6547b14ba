"""Headers that Django and django-csp do not set, and our named errors as answers."""

from __future__ import annotations

import time
from collections.abc import Callable

from allauth.usersessions.middleware import UserSessionsMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from dashboard.errors import hypervisor_error_page
from guests.errors import HypervisorError

CLOSED = "camera=(), microphone=(), geolocation=(), payment=(), usb=()"
COPYING = {"guests", "consoles", "tokens"}  # the apps whose pages have a button that copies


class GuesthouseMiddleware:
    """Adds Permissions-Policy, Cross-Origin-Resource-Policy and, on pages with guest data, Cache-Control: no-store.

    A HypervisorError that a view let through becomes its page: 404, 409 or 503.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.setdefault("X-Frame-Options", "DENY")
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        copies = request.resolver_match is not None and request.resolver_match.app_name in COPYING
        clipboard = "clipboard-write=(self)" if copies else "clipboard-write=()"
        response.setdefault("Permissions-Policy", f"{CLOSED}, {clipboard}")
        if settings.HTTPS:  # named by the policy's report-to, which is for https alone
            response.setdefault("Reporting-Endpoints", f'policy="{settings.POLICY_REPORTS}"')
        if "Cache-Control" not in response:
            response["Cache-Control"] = "no-store"
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Our errors have pages; every other one is Django's to report."""
        return hypervisor_error_page(request, exception) if isinstance(exception, HypervisorError) else None


class SeenSometimesMiddleware(UserSessionsMiddleware):  # type: ignore[misc]
    """Notes when a session was last seen once a minute: a page that only reads must not wait for the write lock."""

    SECONDS = 60.0
    MOST = 10_000

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)
        self._answer = get_response
        self._noted: dict[str, float] = {}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        key, now = request.session.session_key, time.monotonic()
        if key is None or now - self._noted.get(key, -self.SECONDS) < self.SECONDS:
            return self._answer(request)
        if len(self._noted) > self.MOST:
            self._noted.clear()
        self._noted[key] = now
        response: HttpResponse = super().__call__(request)
        return response
