"""The virtual networks of the hosts, with the addresses that their DHCP servers gave to guests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from guests.access import hosts_visible_to, visible_to
from guests.inventory.models import Guest, MACUse
from guests.inventory.networks import HostNetwork


@dataclass(frozen=True, slots=True)
class LeaseLine:
    """One lease, of a guest that the person may see."""

    address: str
    mac: str
    hostname: str
    guest: Guest


@dataclass(frozen=True, slots=True)
class NetworkLine:
    """One network with the leases that the person may see, and how many of the visible guests are in it."""

    network: HostNetwork
    guests: int
    leases: list[LeaseLine]


@require_safe
def networks(request: HttpRequest) -> HttpResponse:
    """All networks of the hosts that the person sees. Four queries."""
    found = list(HostNetwork.objects.filter(host__in=hosts_visible_to(request.user)).select_related("host"))
    guests = visible_to(request.user).filter(gone_at=None)
    owners = {
        (use.guest.host_id, use.mac): use.guest
        for use in MACUse.objects.filter(guest__in=guests).select_related("guest")
    }
    inside: dict[tuple[object, str], int] = {}
    for host, definition in guests.values_list("host", "definition"):
        for name in {nic["source"] for nic in definition.get("nics", []) if nic["kind"] == "network"}:
            inside[host, name] = inside.get((host, name), 0) + 1
    lines = [
        NetworkLine(network, inside.get((network.host_id, network.name), 0), [*_leases(network, owners)])
        for network in sorted(found, key=lambda network: (network.host.name, network.name))
    ]
    return render(request, "guests/networks.html", {"section": "hosts", "lines": lines})


def _leases(network: HostNetwork, owners: dict[tuple[Any, str], Guest]) -> list[LeaseLine]:
    return [
        LeaseLine(lease["address"], lease["mac"], lease["hostname"], owners[network.host_id, lease["mac"]])
        for lease in network.leases
        if (network.host_id, lease["mac"]) in owners
    ]
