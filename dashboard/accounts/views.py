"""django-allauth's sign-in and change of password, where they must answer otherwise."""

from __future__ import annotations

from allauth.account.views import login, password_change
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


@login_not_required
def sign_in(request: HttpRequest) -> HttpResponse:
    """The form keeps what was typed and says why it waits; programs read 429 and Retry-After."""
    response: HttpResponse = login(request)
    seconds = getattr(request, "sign_in_waits_seconds", None)
    if seconds is not None:
        response.status_code = 429
        response["Retry-After"] = str(seconds)
    return response


def change_password(request: HttpRequest) -> HttpResponse:
    """Only where there is one: who signs in through another place has none here."""
    if request.user.is_authenticated and not request.user.has_usable_password():
        return render(request, "account/password_elsewhere.html")
    response: HttpResponse = password_change(request)
    return response
