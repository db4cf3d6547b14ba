"""The addresses of running guests: read by the host worker while somebody looks at the guest's page.

The page says that it shows a guest (`mark_addresses_wanted`); the worker finds the guests (`guests_wanted`) and keeps
what each source told. DHCP leases are known without that: `networks.leases_of`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import models
from django.utils import timezone

from guests.inventory.changes import Feed, next_revision
from guests.inventory.leases import Lease, fenced
from guests.inventory.looking import Looked, mark
from guests.inventory.models import Guest
from guests.resources import AddressSource, GuestAddress, GuestState

MARK_SECONDS = 10.0
WANTED_SECONDS = 50.0  # so long after a mark somebody is taken to look: pages mark every 20 s
_ACTIVE = [state.value for state in GuestState if state.is_active]


class AddressProblem(models.TextChoices):
    """Why a source told nothing the last time; pages have the words."""

    NONE = "", "none"
    ABSENT = "absent", "no agent in the definition, or the driver has no such source"
    SILENT = "silent", "nobody answers on the agent's channel"
    HANGS = "hangs", "the agent did not come back from a question"
    FAILED = "failed", "the host refused"


class GuestAddresses(models.Model):
    """What each source told last. `readings`: by source {"at": Unix time, "problem": …, "addresses": [[MAC, address,
    interface]]}, of the life `domain_id`.
    """

    guest = models.OneToOneField(Guest, on_delete=models.CASCADE, primary_key=True, related_name="addresses")
    wanted_at = models.DateTimeField(db_index=True)
    domain_id = models.IntegerField(null=True)
    readings: models.JSONField[Any, Any] = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"addresses of {self.guest_id}"


def mark_addresses_wanted(guest: UUID) -> None:
    """Somebody looks at this guest. The caller checked that they may; marks again after MARK_SECONDS."""
    mark(GuestAddresses, "wanted_at", [guest], MARK_SECONDS)


def _wanted() -> models.Q:
    since = timezone.now() - timedelta(seconds=WANTED_SECONDS)
    return models.Q(addresses__wanted_at__gt=since, gone_at=None, state__in=_ACTIVE)


def hosts_wanted(hosts: Iterable[UUID]) -> set[UUID]:
    """Those of these hosts that have a guest whose addresses somebody looks at."""
    found = Guest.objects.filter(_wanted(), host__in=hosts).order_by()
    return set(found.values_list("host_id", flat=True).distinct())


def guests_wanted(host_id: UUID) -> list[Looked]:
    """The guests of a host whose addresses are wanted."""
    rows = Guest.objects.filter(_wanted(), host_id=host_id).order_by("id")
    return [Looked(*row) for row in rows.values_list("id", "uuid", "domain_id")]


def keep_addresses(
    lease: Lease, guest: Looked, source: AddressSource, found: Iterable[GuestAddress], problem: AddressProblem
) -> None:
    """What a source told just now; pages that show the guest hear of it where it is new."""
    told = {"problem": str(problem), "addresses": [list(astuple(address)) for address in found]}
    with fenced(lease):
        row = GuestAddresses.objects.select_for_update().filter(pk=guest.id).first()
        if row is None:
            return
        readings = row.readings if row.domain_id == guest.domain_id else {}
        last = readings.get(source, {})
        readings[source] = {"at": timezone.now().timestamp(), **told}
        rows = GuestAddresses.objects.filter(pk=guest.id)
        rows.update(domain_id=guest.domain_id, readings=readings)  # never `wanted_at`: that is the pages'
        if any(last.get(name) != told[name] for name in told):
            Guest.objects.filter(pk=guest.id).update(revision=next_revision(Feed.INVENTORY))
