"""What each host offers for new guests, as a row: written by the worker once it is connected, read by the form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.db import models

from guests.hypervisor.capabilities import Offer
from guests.inventory.leases import Lease, fenced
from guests.inventory.models import Host


class HostCapabilities(models.Model):
    """`offers`: `Offer` as JSON, the usual first."""

    host = models.OneToOneField(Host, on_delete=models.CASCADE, primary_key=True, related_name="capabilities")
    offers: models.JSONField[Any, Any] = models.JSONField(default=list)
    read_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{len(self.offers)} ways of {self.host_id}"


def keep_offers(lease: Lease, offers: Sequence[Offer]) -> None:
    """Make the host's row say what was read. Raises LeaseLost."""
    with fenced(lease):
        HostCapabilities.objects.update_or_create(
            host_id=lease.host_id, defaults={"offers": [asdict(offer) for offer in offers]}
        )


def offers_of(host: Host) -> list[Offer]:
    """In which ways the host can run a new guest, the usual first; none before it was asked. One query."""
    row = HostCapabilities.objects.filter(host=host).first()
    return [_offer(found) for found in row.offers] if row else []


def _offer(found: dict[str, Any]) -> Offer:
    """Of what another version of Guesthouse wrote, what this one knows."""
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in found.items()
        if name in Offer.__dataclass_fields__
    }
    return Offer(**known)
