"""Queries that the ORM writes once: from the second time on they cost what the database needs, and little more.

Django takes five to fifty times as long to write a query as SQLite takes to run it. That is nothing for a page, and
most of what stands between a click and a console; so the few queries on that way are written once, `Given` for what
differs. They are ordinary querysets: what they decide is decided where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Field, Model, QuerySet, Value
from django.db.models.query import FlatValuesListIterable, ModelIterable, get_related_populators
from django.db.models.sql import InsertQuery, UpdateQuery

Row = TypeVar("Row")
M = TypeVar("M", bound=Model)


class Given(Value):
    """A value that comes when the query runs, by this name; `field` tells how the database wants it."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(name, output_field=field)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """A parameter that is this object itself, until there is a value."""
        return "%s", [self]


def _filled(parameters: Sequence[Any], given: dict[str, Any], connection: Any) -> list[Any]:
    return [
        each.output_field.get_db_prep_value(given[each.value], connection) if isinstance(each, Given) else each
        for each in parameters
    ]


class Prepared(Generic[Row]):
    """A queryset of models or of one column, from what `write` returns, to be run many times: `rows(guest=…)`."""

    def __init__(self, write: Callable[[], QuerySet[Any, Row]]) -> None:
        self._write = write
        self._written: tuple[str, Sequence[Any], list[tuple[int, Any, Any]], Callable[[Any], Row]] | None = None

    def rows(self, **given: Any) -> list[Row]:
        """What it finds, as the queryset would give it."""
        sql, parameters, converters, made = self._written or self._compile()
        connection = connections[DEFAULT_DB_ALIAS]
        with connection.cursor() as cursor:
            cursor.execute(sql, _filled(parameters, given, connection))
            found = [list(row) for row in cursor.fetchall()]
        for row in found:
            for column, convert, expression in converters:
                row[column] = convert(row[column], expression, connection)
        return [made(row) for row in found]

    def first(self, **given: Any) -> Row | None:
        """The first of them, if there is one."""
        return next(iter(self.rows(**given)), None)

    def _compile(self) -> tuple[str, Sequence[Any], list[tuple[int, Any, Any]], Callable[[Any], Row]]:
        queryset: Any = self._write()
        compiler: Any = queryset.query.get_compiler(DEFAULT_DB_ALIAS)
        sql, parameters = compiler.as_sql()
        found = compiler.get_converters([column for column, *_ in compiler.select])
        converters = [(at, each, expression) for at, (many, expression) in found.items() for each in many]
        self._written = sql, parameters, converters, _maker(queryset, compiler)
        return self._written


def _maker(queryset: Any, compiler: Any) -> Callable[[Any], Any]:
    """How one row becomes what the queryset gives; as django.db.models.query.ModelIterable does it."""
    if queryset._iterable_class is FlatValuesListIterable:
        return itemgetter(0)
    if queryset._iterable_class is not ModelIterable:
        raise TypeError("models or one column")
    columns = compiler.klass_info["select_fields"]
    own = slice(columns[0], columns[-1] + 1)
    names = [column.target.attname for column, *_ in compiler.select[own]]
    populators: Any = get_related_populators  # the stubs describe a later Django
    joined = populators(compiler.klass_info, compiler.select, DEFAULT_DB_ALIAS)
    annotations = list((compiler.annotation_col_map or {}).items())

    def made(row: list[Any]) -> Any:
        instance = queryset.model.from_db(DEFAULT_DB_ALIAS, names, row[own])
        for each in joined:
            each.populate(row, instance)
        for name, column in annotations:
            setattr(instance, name, row[column])
        return instance

    return made


class PreparedUpdate(Generic[M]):
    """The same for an UPDATE: `run(…)` gives the number of rows that it changed."""

    def __init__(self, write: Callable[[], QuerySet[M]], **values: Given) -> None:
        self._write = write
        self._values = values
        self._written: tuple[str, Sequence[Any]] | None = None

    def run(self, **given: Any) -> int:
        """Change them."""
        sql, parameters = self._written or self._compile()
        connection = connections[DEFAULT_DB_ALIAS]
        with connection.cursor() as cursor:
            cursor.execute(sql, _filled(parameters, given, connection))
            return int(cursor.rowcount)

    def _compile(self) -> tuple[str, Sequence[Any]]:
        query: Any = self._write().query.chain(UpdateQuery)
        query.add_update_values(self._values)
        self._written = query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
        return self._written


class PreparedInsert(Generic[M]):
    """The same for a new row: `save(row)` stores it as `row.save(force_insert=True)` does, but sends no signal."""

    def __init__(self, model: type[M]) -> None:
        self._model: Any = model
        self._written: tuple[str, list[Any]] | None = None

    def save(self, row: M) -> None:
        """Add it; a key that the database gives is then the row's."""
        sql, fields = self._written or self._compile(row)
        connection = connections[DEFAULT_DB_ALIAS]
        values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            if row.pk is None:
                (row.pk,) = cursor.fetchone()
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS

    def _compile(self, row: M) -> tuple[str, list[Any]]:
        options = self._model._meta
        query: Any = InsertQuery(self._model)
        fields = [field for field in options.local_concrete_fields if field is not options.auto_field]
        query.insert_values(fields, [row])
        compiler: Any = query.get_compiler(DEFAULT_DB_ALIAS)
        compiler.returning_fields = [options.auto_field] if options.auto_field else []
        ((sql, _values),) = compiler.as_sql()
        self._written = sql, fields
        return self._written
