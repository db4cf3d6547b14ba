"""How often people and addresses may ask: beyond it, 429 with a sentence and Retry-After.

Counted in the memory of each web process. What a person changes counts for the person and for the guest it is about;
what is asked without a session counts for the address. Sign-ins have limits of their own (django-allauth).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from dashboard.api.errors import is_for_programs
from dashboard.errors import too_often
from guests.rates import Rate, neighbourhood

READS = {"GET", "HEAD", "OPTIONS"}

actions_of_a_person = Rate(lambda: settings.ACTIONS_PER_MINUTE)
actions_on_a_guest = Rate(lambda: settings.ACTIONS_PER_GUEST_PER_MINUTE)
requests_of_a_person = Rate(lambda: settings.REQUESTS_PER_MINUTE)
requests_of_an_address = Rate(lambda: settings.REQUESTS_PER_ADDRESS_PER_MINUTE)


def is_a_piece(request: HttpRequest) -> bool:
    """Whether it brings a piece of an upload, of which one act has hundreds."""
    return request.method == "PUT" and request.path.startswith("/storage/uploads/")


class RatesMiddleware:
    """After the session is known, before anything is done."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_for_programs(request) or request.path == settings.POLICY_REPORTS:
            return self.get_response(request)  # counted for each token; for the address, whoever sits there
        if not request.user.is_authenticated:
            wait = requests_of_an_address.take(neighbourhood(str(request.META.get("REMOTE_ADDR", ""))))
        elif request.method in READS or is_a_piece(request):
            wait = requests_of_a_person.take(request.user.pk)
        else:
            wait = actions_of_a_person.take(request.user.pk)
        return too_often(request, wait) if wait else self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> HttpResponse | None:
        """What changes one guest counts for that guest, whoever asks; so a person's own bound is not the only one."""
        if request.method in READS or not request.user.is_authenticated or "guest_id" not in named:
            return None
        wait = actions_on_a_guest.take(named["guest_id"])
        return too_often(request, wait) if wait else None
