"""Writing rows of guests: few statements however many rows, inside a transaction that the caller holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import connection
from django.db.models import Count

from guests.inventory.models import Guest

# What a tick moves; a row of which more changed is written as a whole.
SAMPLED = (
    "balloon_kib",
    "cpu_history",
    "cpu_percent",
    "current_kib",
    "disk_read_rate",
    "disk_usage",
    "disk_written_rate",
    "history_minute",
    "nic_usage",
    "received_rate",
    "revision",
    "sent_rate",
    "usable_kib",
)
# `conflict` is a fact of several rows: `mark_conflicts` writes it. Identity never changes.
PROJECTED = tuple(
    field.name for field in Guest._meta.concrete_fields if field.name not in {"id", "host", "uuid", "conflict"}
)


class RowsMoved(Exception):
    """A row that was to be written is another host's now: nothing may be written from memory."""


def update_rows(rows: Iterable[tuple[Guest, set[str]]]) -> None:
    """Write rows that stand in the table; each comes with the names of the columns that differ. RowsMoved where one
    is no longer its host's.
    """
    sampled: list[Guest] = []
    whole: list[Guest] = []
    for row, columns in rows:
        (sampled if columns <= set(SAMPLED) else whole).append(row)
    _update(sampled, SAMPLED)
    _update(whole, PROJECTED)


def _update(rows: list[Guest], names: Sequence[str]) -> None:
    """One executemany: an UPDATE with a CASE per row and column (bulk_update) is many times slower."""
    if not rows:
        return
    fields = [field for field in Guest._meta.concrete_fields if field.name in names]
    quote = connection.ops.quote_name
    key = Guest._meta.pk
    assignments = ", ".join(f"{quote(str(field.column))} = %s" for field in fields)
    statement = (
        f"UPDATE {quote(Guest._meta.db_table)} SET {assignments} WHERE {quote(str(key.column))} = %s AND host_id = %s"  # noqa: S608 names are ours
    )
    parameters = [
        [
            *(field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields),
            key.get_db_prep_value(row.pk, connection),
            key.get_db_prep_value(row.host_id, connection),
        ]
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(statement, parameters)
        if cursor.rowcount != len(rows):
            raise RowsMoved


def mark_conflicts(uuids: Iterable[UUID], revision: int) -> None:
    """Mark every row whose libvirt UUID stands on another host, too; and no other of these. Domain-0 is no conflict."""
    looked_at = [uuid for uuid in uuids if uuid.int]
    if not looked_at:
        return
    rows = Guest.objects.filter(uuid__in=looked_at)
    present = rows.filter(gone_at__isnull=True, host__enabled=True)
    double = list(
        present.order_by().values("uuid").annotate(hosts=Count("pk")).filter(hosts__gt=1).values_list("uuid", flat=True)
    )
    Guest.objects.filter(pk__in=present.filter(uuid__in=double, conflict=False).values("pk")).update(
        conflict=True, revision=revision
    )
    rows.filter(conflict=True).exclude(pk__in=present.filter(uuid__in=double).values("pk")).update(
        conflict=False, revision=revision
    )
