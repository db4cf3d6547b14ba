"""Queries that the ORM writes once: from the second time on they cost what the database needs, and little more.

Django takes five to fifty times as long to write a query as SQLite takes to run it. That is nothing for a page, and
most of what stands between a click and a console; so the few queries on that way are written once, `Given` for what
differs. They are ordinary querysets: what they decide is decided where it was.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Field, Model, QuerySet, Value
from django.db.models.sql import UpdateQuery

Row = TypeVar("Row")
M = TypeVar("M", bound=Model)


_Written = tuple[QuerySet[Any, Any], Any, str, Sequence[Any], dict[int, Any]]  # with the compiler, converters last


class Given(Value):
    """A value that comes when the query runs, by this name; `field` tells how the database wants it."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(name, output_field=field)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """A parameter that is this object itself, until there is a value."""
        return "%s", [self]


def _filled(parameters: Sequence[Any], given: dict[str, Any]) -> list[Any]:
    connection = connections[DEFAULT_DB_ALIAS]
    return [
        each.output_field.get_db_prep_value(given[each.value], connection) if isinstance(each, Given) else each
        for each in parameters
    ]


class Prepared(Generic[Row]):
    """A queryset, from what `write` returns, to be run many times: `rows(guest=…)`. For the default database."""

    def __init__(self, write: Callable[[], QuerySet[Any, Row]]) -> None:
        self._write = write
        self._written: _Written | None = None

    def rows(self, **given: Any) -> list[Row]:
        """What it finds, as the queryset would give it: models, tuples or values."""
        queryset, compiler, sql, parameters, converters = self._written or self._compile()
        ready = copy.copy(compiler)
        ready.connection = connections[DEFAULT_DB_ALIAS]
        ready.as_sql = lambda: (sql, _filled(parameters, given))
        ready.get_converters = lambda _columns: converters
        query: Any = copy.copy(queryset.query)
        query.get_compiler = lambda *_, **__: ready
        found: Any = QuerySet(model=queryset.model, query=query, using=DEFAULT_DB_ALIAS)
        found._iterable_class, found._fields = queryset._iterable_class, queryset._fields  # type: ignore[attr-defined]
        return cast("list[Row]", list(found))

    def first(self, **given: Any) -> Row | None:
        """The first of them, if there is one."""
        return next(iter(self.rows(**given)), None)

    def _compile(self) -> _Written:
        queryset = self._write()
        compiler: Any = queryset.query.get_compiler(DEFAULT_DB_ALIAS)
        sql, parameters = compiler.as_sql()
        converters = compiler.get_converters([column for column, *_ in compiler.select[: compiler.col_count]])
        self._written = queryset, compiler, sql, parameters, converters
        return self._written


class PreparedUpdate(Generic[M]):
    """The same for an UPDATE: `run(…)` gives the number of rows that it changed."""

    def __init__(self, write: Callable[[], QuerySet[M]], **values: Given) -> None:
        self._write = write
        self._values = values
        self._written: tuple[str, Sequence[Any]] | None = None

    def run(self, **given: Any) -> int:
        """Change them."""
        sql, parameters = self._written or self._compile()
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(sql, _filled(parameters, given))
            return int(cursor.rowcount)

    def _compile(self) -> tuple[str, Sequence[Any]]:
        query: Any = self._write().query.chain(UpdateQuery)
        query.add_update_values(self._values)
        self._written = query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
        return self._written
