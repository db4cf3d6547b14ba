"""Database connections of long-lived threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def database_work() -> Iterator[None]:
    """One piece of work of a thread that lives long.

    SQLite's connection is kept (opening one costs more than most work); any other is given back, so that three threads
    a host do not hold three connections of a PostgreSQL that allows a hundred.
    """
    try:
        yield
    finally:
        if connection.vendor != "sqlite":
            connection.close()
