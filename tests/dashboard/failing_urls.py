"""The product's URLs, and some that fail: for tests of error pages."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.urls import *  # noqa: F403
from dashboard.urls import urlpatterns as product
from guests.errors import HypervisorUnreachable, OperationRefused

SECRET = "hunter2-in-a-local-variable"


def broken(request: HttpRequest) -> HttpResponse:
    password = SECRET  # what a page with the traceback would show
    raise RuntimeError(f"{len(password)} {SECRET}")


def unreachable(request: HttpRequest) -> HttpResponse:
    raise HypervisorUnreachable("alpha does not answer.", detail="Failed to connect to /srv/secret/socket")


def refused(request: HttpRequest) -> HttpResponse:
    raise OperationRefused("web-1 is shut off.", detail="internal error in /srv/secret/path")


urlpatterns = [
    path("broken/", broken),
    path("unreachable/", unreachable),
    path("refused/", refused),
    *product,
]
