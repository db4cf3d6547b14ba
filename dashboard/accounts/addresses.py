"""Behind a reverse proxy, the address of a request is the one the proxy saw; a client cannot choose it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from consoles.addresses import client_address


class ClientAddressMiddleware:
    """REMOTE_ADDR from the last X-Forwarded-For entry, the only one that our own proxy wrote.

    In the chain only with GUESTHOUSE_BEHIND_PROXY; the proxy must set or append the header. What is no address counts
    for nothing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        peer, forwarded_for = request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", "")
        request.META["REMOTE_ADDR"] = client_address(peer, forwarded_for)
        return self.get_response(request)
