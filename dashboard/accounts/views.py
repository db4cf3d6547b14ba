"""django-allauth's sign-in, with the status and header of a throttled answer."""

from __future__ import annotations

from allauth.account.views import login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse


@login_not_required
def sign_in(request: HttpRequest) -> HttpResponse:
    """The form keeps what was typed and says why it waits; programs read 429 and Retry-After."""
    response: HttpResponse = login(request)
    seconds = getattr(request, "sign_in_waits_seconds", None)
    if seconds is not None:
        response.status_code = 429
        response["Retry-After"] = str(seconds)
    return response
