"""A guest as a row of a list needs it: a tuple of a few columns, since building a hundred whole models costs more
than all the rest of the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from guests.inventory.models import Guest, memory_in_use
from guests.resources import GuestState


class ListedGuest(NamedTuple):
    """The columns of `inventory.Guest` that rows show, under the same names and with the same meaning."""

    id: UUID
    host_id: UUID
    name: str
    domain_id: int | None
    state: str
    reason: str
    state_since: datetime | None
    privileged: bool
    saved: bool
    virtualisation: str
    conflict: bool
    seen_at: datetime | None
    current_kib: int
    maximum_kib: int
    next_boot_current_kib: int | None
    next_boot_maximum_kib: int | None
    balloon_kib: int | None
    usable_kib: int | None
    vcpus_current: int
    vcpus_maximum: int
    next_boot_vcpus_current: int | None
    next_boot_vcpus_maximum: int | None
    cpu_percent: float | None
    disk_read_rate: float | None
    disk_written_rate: float | None
    received_rate: float | None
    sent_rate: float | None
    cpu_history: str

    @property
    def pk(self) -> UUID:
        return self.id

    @property
    def is_active(self) -> bool:
        return GuestState(self.state).is_active

    @property
    def used_kib(self) -> int | None:
        return memory_in_use(self)


def listed(guests: QuerySet[Guest]) -> Iterator[ListedGuest]:
    """The guests of a query in its order; one query, no models."""
    return map(ListedGuest._make, guests.values_list(*ListedGuest._fields))
