"""A bound on how long a search may keep the database busy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

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
