"""That somebody looks at guests: pages mark them, and the host workers read what costs a call for each guest only then.

A mark is a row of the guest with a time, in the table of what is read; it wakes the workers by `Feed.PICTURES`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone

from guests.inventory.changes import Feed, next_revision


@dataclass(frozen=True, slots=True)
class Looked:
    """A guest that runs and that somebody looks at now."""

    id: UUID
    uuid: UUID
    domain_id: int | None


def mark(table: type[models.Model], column: str, guests: Iterable[UUID], seconds: float) -> None:
    """Note in `column` that somebody looks at these guests now; again after so many seconds."""
    now = timezone.now()
    asked = set(guests)
    rows = table._default_manager
    marked = rows.filter(pk__in=asked, **{f"{column}__gt": now - timedelta(seconds=seconds)})
    due = asked - set(marked.values_list("pk", flat=True))
    if not due:
        return
    with transaction.atomic():
        rows.bulk_create(
            [table(guest_id=guest, **{column: now}) for guest in due],
            update_conflicts=True,
            unique_fields=["guest"],
            update_fields=[column],
        )
        next_revision(Feed.PICTURES)
