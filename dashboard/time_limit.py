"""A bound on how long a search, and any page that only reads, may keep the database busy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

from django.conf import settings
from django.db import OperationalError, connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from dashboard.errors import error_page

STEPS = 20_000  # of SQLite's virtual machine between two looks at the clock: under a millisecond


class TookTooLong(Exception):
    """The search was given up."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Give up the queries inside after so many seconds: raises TookTooLong."""
    deadline = time.monotonic() + seconds
    try:
        if connection.vendor == "postgresql":
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(round(seconds * 1000))])
                yield
        else:
            connection.ensure_connection()
            connection.connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
            try:
                yield
            finally:
                connection.connection.set_progress_handler(None, 0)
    except OperationalError as error:
        if time.monotonic() < deadline:
            raise
        raise TookTooLong from error


def bound_statements() -> None:
    """For the web process on PostgreSQL, before it connects: the server gives up, and no request has to ask it to."""
    if connection.vendor == "postgresql":
        options = connections.settings["default"].setdefault("OPTIONS", {})
        timeout = f"-c statement_timeout={round(settings.READING_SECONDS * 1000)}"
        options["options"] = f"{options.get('options', '')} {timeout}".strip()


class BoundedReads:
    """Innermost, around the view: a search or list that takes too long is given up with a sentence, whichever it is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            return self.get_response(request)
        request.META[_UNTIL] = time.monotonic() + settings.READING_SECONDS
        if connection.vendor == "postgresql":
            return self.get_response(request)  # see bound_statements
        with at_most(settings.READING_SECONDS):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Django makes an answer of it before it comes out of the bound."""
        if not isinstance(exception, OperationalError) or time.monotonic() < request.META.get(_UNTIL, inf):
            return None
        message = _("It took too long and was given up. Narrow what you look for, or try again later.")
        return error_page(request, 503, _("Too much at once"), message, alone=True)


_UNTIL = "guesthouse.reading_until"  # monotonic time
