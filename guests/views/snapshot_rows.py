"""The snapshots of a guest as rows of a tree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _

from guests.inventory.models import Guest
from guests.resources import GuestState

DEEPEST = 6  # rows that lie deeper are drawn at this depth: a phone has no more room


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """One snapshot; `depth` is 0 for the first of a tree."""

    name: str
    description: str
    parent: str
    made_at: datetime
    kept: str
    external: bool
    current: bool
    depth: int


def snapshot_rows(guest: Guest) -> list[SnapshotRow]:
    """Each below the one that it was taken from, oldest first."""
    known = {one["name"] for one in guest.snapshots}
    below: dict[str, list[dict[str, Any]]] = {}
    for one in guest.snapshots:
        below.setdefault(one["parent"] if one["parent"] in known else "", []).append(one)
    rows: list[SnapshotRow] = []
    waiting = [(one, 0) for one in reversed(below.get("", []))]
    while waiting:
        one, depth = waiting.pop()
        rows.append(_row(one, min(depth, DEEPEST)))
        waiting += [(child, depth + 1) for child in reversed(below.get(one["name"], []))]
    return rows


def _row(one: dict[str, Any], depth: int) -> SnapshotRow:
    return SnapshotRow(
        name=one["name"],
        description=one["description"],
        parent=one["parent"],
        made_at=datetime.fromtimestamp(one["made_at"], UTC),
        kept=kept_words(one),
        external=one["external"],
        current=one["current"],
        depth=depth,
    )


def kept_words(one: dict[str, Any]) -> str:
    """What a snapshot holds."""
    if not one["memory"]:
        return _("disks, shut off")
    if one["state"] == GuestState.PAUSED:
        return _("disks and memory, paused")
    return _("disks and memory, running")
