"""Which guest has which MAC, over all hosts: kept by the workers beside the rows, asked by whoever gives out a new one.

A guest's MACs are those it runs with and those of its next boot. Rows of guests that went away are taken out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, QuerySet

from guests.inventory.models import Guest, MACUse


@dataclass(frozen=True, slots=True)
class DuplicateMAC:
    """One MAC of several guests; `since` is when the second of them was seen with it."""

    mac: str
    since: datetime
    guests: tuple[Guest, ...]  # with their hosts, first seen first


def keep_macs(rows: Iterable[Guest], revision: int) -> None:
    """Make the table say what these rows say; three statements, and one for other guests that share a changed MAC."""
    asked = {row.pk: row for row in rows}
    if not asked:
        return
    wanted = {(row.pk, mac) for row in asked.values() if row.gone_at is None for mac in row.macs.split()}
    held = set(MACUse.objects.filter(guest__in=asked).values_list("guest_id", "mac"))
    left: dict[UUID, list[str]] = {}
    for guest_id, mac in held - wanted:
        left.setdefault(guest_id, []).append(mac)
    for guest_id, macs in left.items():
        MACUse.objects.filter(guest_id=guest_id, mac__in=macs).delete()
    MACUse.objects.bulk_create([MACUse(guest_id=guest_id, mac=mac) for guest_id, mac in sorted(wanted - held)])
    changed = {mac for _guest_id, mac in held ^ wanted}
    if changed:
        # Their pages show the duplicate, or its end, at once.
        others = MACUse.objects.filter(mac__in=changed).exclude(guest__in=asked).values("guest")
        Guest.objects.filter(pk__in=others).update(revision=revision)


def duplicate_macs(macs: Iterable[str] | None = None) -> list[DuplicateMAC]:
    """Every MAC (or those of these) that two different guests have. Two queries.

    The two rows of one guest that stands on two hosts, as during a migration, are no duplicate: they are a conflict.
    """
    uses: QuerySet[MACUse] = MACUse.objects.all() if macs is None else MACUse.objects.filter(mac__in=list(macs))
    shared = uses.order_by().values("mac").annotate(guests=Count("guest__uuid", distinct=True)).filter(guests__gt=1)
    found: dict[str, list[MACUse]] = {}
    rows = MACUse.objects.filter(mac__in=shared.values("mac"))
    for use in rows.select_related("guest__host").order_by("mac", "since", "pk"):
        found.setdefault(use.mac, []).append(use)
    return [
        DuplicateMAC(mac, since=_second(uses), guests=tuple(use.guest for use in uses)) for mac, uses in found.items()
    ]


def _second(uses: list[MACUse]) -> datetime:
    """When another guest than the first was seen with it."""
    return next(use.since for use in uses if use.guest.uuid != uses[0].guest.uuid)
