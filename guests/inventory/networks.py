"""The virtual networks of the hosts as rows: written by the worker with each full reading of a host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.db import models

from guests import resources
from guests.inventory.changes import Feed, next_revision
from guests.inventory.leases import Lease, fenced
from guests.inventory.models import Guest, Host

COLUMNS = ("name", "active", "autostart", "forward", "bridge", "addresses", "leases")


class HostNetwork(models.Model):
    """One virtual network of one host; gone with its network. `leases`: `resources.Lease` as JSON."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="networks")
    uuid = models.UUIDField()
    name = models.TextField()
    active = models.BooleanField()
    autostart = models.BooleanField()
    forward = models.CharField(max_length=20)
    bridge = models.CharField(max_length=20, blank=True)
    addresses: models.JSONField[Any, Any] = models.JSONField(default=list)
    leases: models.JSONField[Any, Any] = models.JSONField(default=list)
    revision = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["host", "uuid"], name="one_row_per_host_and_network")]

    def __str__(self) -> str:
        return self.name


def keep_networks(lease: Lease, networks: Iterable[resources.Network]) -> None:
    """Make the rows of a host say what was read; nothing is written where they say it already. Raises LeaseLost."""
    wanted = {network.uuid: _columns(network) for network in networks}
    rows = {row.uuid: row for row in HostNetwork.objects.filter(host=lease.host_id)}
    held = {uuid: {name: getattr(row, name) for name in COLUMNS} for uuid, row in rows.items()}
    if wanted == held:
        return
    with fenced(lease):
        revision = next_revision(Feed.INVENTORY)
        HostNetwork.objects.filter(host=lease.host_id).exclude(uuid__in=wanted).delete()
        for uuid, columns in wanted.items():
            if held.get(uuid) != columns:
                HostNetwork.objects.update_or_create(
                    host_id=lease.host_id, uuid=uuid, defaults={**columns, "revision": revision}
                )
        Host.objects.filter(pk=lease.host_id).update(revision=revision)


def _columns(network: resources.Network) -> dict[str, Any]:
    found = asdict(network)
    return {name: list(found[name]) if name in {"addresses", "leases"} else found[name] for name in COLUMNS}


def leases_of(guest: Guest) -> dict[str, list[str]]:
    """The addresses that DHCP servers of its host's networks gave to the guest's NICs, by MAC. One query."""
    found: dict[str, list[str]] = {}
    macs = set(guest.macs.split())
    for leases in HostNetwork.objects.filter(host=guest.host_id).values_list("leases", flat=True):
        for lease in leases:
            if lease["mac"] in macs and lease["address"]:
                found.setdefault(lease["mac"], []).append(lease["address"])
    return found
