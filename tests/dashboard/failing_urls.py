"""The product's URLs, and some that fail: for tests of error pages."""

from __future__ import annotations

from django.db import connection
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


def endless(request: HttpRequest) -> HttpResponse:
    """A search without end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_sleep(20)"
            if connection.vendor == "postgresql"
            else "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        )
    return HttpResponse()


urlpatterns = [
    path("endless/", endless),
    path("api/v1/endless/", endless),
    path("broken/", broken),
    path("unreachable/", unreachable),
    path("refused/", refused),
    *product,
]
