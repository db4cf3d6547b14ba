"""The audit record as a download: CSV for spreadsheets, JSON lines for programs; streamed, newest first, capped."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db.models import QuerySet

from dashboard.spreadsheets import csv_line
from dashboard.time_limit import at_most
from guests.audit.models import AuditRecord

MOST = 100_000  # lines of one export: about 40 MB
CHUNK = 1000
COLUMNS = ("id", "at", "action", "outcome", "user", "guest_id", "guest", "host", "address", "detail")


def _values(line: AuditRecord) -> dict[str, object]:
    return {
        "id": line.pk,
        "at": line.at.astimezone(UTC).isoformat(),
        "action": line.action,
        "outcome": line.outcome,
        "user": line.user_name,
        "guest_id": str(line.guest_id) if line.guest_id else None,
        "guest": line.guest_name,
        "host": line.host_name,
        "address": line.address,
        "detail": line.detail,
    }


def _as_csv(line: AuditRecord) -> str:
    values = _values(line)
    return csv_line([*(values[name] for name in COLUMNS[:-1]), json.dumps(line.detail, ensure_ascii=False)])


def _as_json(line: AuditRecord) -> str:
    return json.dumps(_values(line), ensure_ascii=False, separators=(",", ":")) + "\n"


FORMS: dict[str, tuple[str, str, Callable[[AuditRecord], str]]] = {
    "csv": ("text/csv; charset=utf-8", csv_line(COLUMNS), _as_csv),
    "jsonl": ("application/jsonl; charset=utf-8", "", _as_json),
}


async def streamed(lines: QuerySet[AuditRecord], form: str) -> AsyncIterator[bytes]:
    """The lines in pieces, each read when the one before was taken: a slow reader holds neither memory nor a cursor."""
    _type, head, written = FORMS[form]
    yield head.encode()
    left = MOST
    last: int | None = None
    while chunk := await sync_to_async(_chunk)(lines, last, min(CHUNK, left)):
        yield "".join(map(written, chunk)).encode()
        left, last = left - len(chunk), chunk[-1].pk


def _chunk(lines: QuerySet[AuditRecord], before: int | None, most: int) -> list[AuditRecord]:
    """A piece that takes too long ends the download: the browser says that it failed."""
    with at_most(settings.READING_SECONDS):
        return list((lines if before is None else lines.filter(pk__lt=before))[:most])
