"""What a status page shows, as values: whatever is not a field here cannot leak, neither as HTML nor as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from dashboard.status.models import StatusPage
from guests.inventory.models import Guest
from guests.resources import GuestState

_COLUMNS = ("state", "state_since", "seen_at", "gone_at", "cpu_percent", "cpu_history")
_MEMORY = ("current_kib", "balloon_kib", "usable_kib")
_HOST = ("state", "seen_at", "tick_s")


@dataclass(frozen=True, slots=True)
class ShownGuest:
    """One row. None is "not known" (state UNKNOWN: only `last_seen_at` is) or "does not apply" (not running)."""

    label: str
    state: GuestState
    since: datetime | None
    last_seen_at: datetime | None
    cpu_percent: float | None  # of its current vCPUs
    cpu_history: str  # the last hour, as Guest.cpu_history
    memory_used_kib: int | None
    memory_current_kib: int | None

    @property
    def used_percent(self) -> float:
        """Of current memory, for the bar."""
        if not self.memory_used_kib or not self.memory_current_kib:
            return 0
        return round(min(100.0, self.memory_used_kib * 100 / self.memory_current_kib), 1)


@dataclass(frozen=True, slots=True)
class ShownPage:
    """A whole page at one moment."""

    title: str
    as_of: datetime
    guests: tuple[ShownGuest, ...]

    def count(self, *states: GuestState) -> int:
        """How many are in one of these states."""
        counted = Counter(guest.state for guest in self.guests)
        return sum(counted[state] for state in states)


def shown_page(page: StatusPage) -> ShownPage:
    """One query. `only()` keeps names, UUIDs and definitions out of this process's hands altogether."""
    now = timezone.now()
    rows = page.rows.select_related("guest__host").only(
        "label",
        "position",
        "page_id",
        *(f"guest__{column}" for column in (*_COLUMNS, *_MEMORY)),
        *(f"guest__host__{column}" for column in _HOST),
    )
    return ShownPage(page.title, now, tuple(_shown(row.label, row.guest, now) for row in rows))


def _shown(label: str, guest: Guest, now: datetime) -> ShownGuest:
    if not _is_known(guest, now):
        last_seen_at = guest.gone_at or guest.seen_at or guest.host.seen_at
        return ShownGuest(label, GuestState.UNKNOWN, None, last_seen_at, None, "", None, None)
    running = guest.is_active
    return ShownGuest(
        label,
        GuestState(guest.state),
        guest.state_since,
        guest.host.seen_at,
        guest.cpu_percent if running else None,
        guest.cpu_history if running else "",
        guest.used_kib,
        (guest.balloon_kib or guest.current_kib) if running else None,
    )


def _is_known(guest: Guest, now: datetime) -> bool:
    """Whether the row tells the present: the guest is there, and its host was read within three ticks and a bit."""
    if guest.gone_at is not None or guest.state == GuestState.UNKNOWN:
        return False
    return not guest.host.is_stale(now)


def as_json(page: ShownPage) -> dict[str, Any]:
    """The same for programs: moments as ISO 8601 in UTC, memory in KiB, null for what is not known."""
    return {
        "title": page.title,
        "as_of": page.as_of.isoformat(timespec="seconds"),
        "guests": [
            {
                "label": guest.label,
                "state": guest.state.value,
                "since": guest.since and guest.since.isoformat(timespec="seconds"),
                "last_seen_at": guest.last_seen_at and guest.last_seen_at.isoformat(timespec="seconds"),
                "cpu_percent": None if guest.cpu_percent is None else round(guest.cpu_percent, 1),
                "memory_used_kib": guest.memory_used_kib,
                "memory_current_kib": guest.memory_current_kib,
            }
            for guest in page.guests
        ],
    }
