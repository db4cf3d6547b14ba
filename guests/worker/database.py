"""Database connections of long-lived threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

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


def with_own_connection(run: Callable[..., None]) -> Callable[..., None]:
    """The body of a thread: its database connection is closed when it ends."""

    @wraps(run)
    def body(*args: object) -> None:
        try:
            run(*args)
        finally:
            connection.close()

    return body
