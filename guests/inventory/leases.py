"""Leases: which worker serves a host. Every write for a host happens inside `fenced(lease)`.

The epoch grows with every change of owner, so a worker that was paused and comes back cannot write over its successor.
Times are the database's, so clocks of several machines need not agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from guests.inventory.models import Host, HostLease


class LeaseLost(Exception):
    """Another worker serves this host now: nothing was written."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One host that this worker serves, and the number that its writes carry."""

    host_id: UUID
    owner: str
    epoch: int


@contextmanager
def fenced(lease: Lease) -> Iterator[None]:
    """A transaction that lands only while the lease stands; LeaseLost otherwise."""
    with transaction.atomic():
        # SQLite holds the write lock from the start of the transaction (IMMEDIATE); PostgreSQL locks the row.
        standing = (
            HostLease.objects.select_for_update()
            .filter(host_id=lease.host_id, owner=lease.owner, epoch=lease.epoch)
            .values_list("epoch", flat=True)
            .first()
        )
        if standing is None:
            raise LeaseLost(f"host {lease.host_id} is served by another worker")
        yield


def take_leases(owner: str, *, most: int | None = None, dead_owners: frozenset[str] = frozenset()) -> list[Lease]:
    """Take enabled hosts that nobody serves: without a lease, with an expired one, or of an owner known to be dead.

    `most` bounds how many are taken. Two workers that race take each host once.
    """
    free = Q(lease__isnull=True) | Q(lease__expires_at__lte=Now()) | Q(lease__owner__in=dead_owners)
    hosts = Host.objects.filter(free, enabled=True).order_by("name").values_list("pk", flat=True)
    taken: list[Lease] = []
    for host_id in hosts if most is None else hosts[:most]:
        if (lease := _take(host_id, owner, dead_owners)) is not None:
            taken.append(lease)
    return taken


def _take(host_id: UUID, owner: str, dead_owners: frozenset[str]) -> Lease | None:
    expires_at = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    with transaction.atomic():
        free = Q(expires_at__lte=Now()) | Q(owner__in=dead_owners)
        if HostLease.objects.filter(free, host_id=host_id).update(
            owner=owner, epoch=F("epoch") + 1, expires_at=expires_at
        ):
            return Lease(host_id, owner, HostLease.objects.values_list("epoch", flat=True).get(host_id=host_id))
        if HostLease.objects.filter(host_id=host_id).exists():
            return None
        try:
            with transaction.atomic():
                HostLease.objects.create(host_id=host_id, owner=owner, epoch=1, expires_at=expires_at)
        except IntegrityError:
            return None  # another worker was quicker
        return Lease(host_id, owner, 1)


def renew_leases(leases: list[Lease]) -> set[UUID]:
    """Prolong them; the answer holds the hosts that are still ours. One statement per distinct epoch."""
    expires_at = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    kept: set[UUID] = set()
    by_key: dict[tuple[str, int], list[UUID]] = {}
    for lease in leases:
        by_key.setdefault((lease.owner, lease.epoch), []).append(lease.host_id)
    with transaction.atomic():
        for (owner, epoch), hosts in by_key.items():
            standing = HostLease.objects.filter(owner=owner, epoch=epoch, host_id__in=hosts)
            standing.update(expires_at=expires_at)
            kept.update(standing.values_list("host_id", flat=True))
    return kept


def release_leases(leases: list[Lease]) -> None:
    """Give them back, so that the next worker need not wait; the epoch stays for it to grow."""
    with transaction.atomic():
        for lease in leases:
            HostLease.objects.filter(host_id=lease.host_id, owner=lease.owner, epoch=lease.epoch).update(
                expires_at=Now()
            )


def owners() -> set[str]:
    """Whoever holds a lease that has not expired."""
    return set(HostLease.objects.filter(expires_at__gt=Now()).values_list("owner", flat=True))
