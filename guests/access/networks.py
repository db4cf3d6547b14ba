"""Which networks of a host somebody may connect a guest to: a network is a way to other people's guests."""

from __future__ import annotations

from guests.access.decisions import Action, User, may_on, visible_to
from guests.inventory.models import Guest, Host
from guests.inventory.networks import HostNetwork

Source = tuple[str, str]  # kind (network or bridge) and name


def open_sources(user: User, guest: Guest) -> list[Source]:
    """To what they may connect this guest: `open_sources_on` its host."""
    return open_sources_on(user, guest.host)


def open_sources_on(user: User, host: Host) -> list[Source]:
    """Whoever administrates the whole host: its networks, and the bridges that guests use beside them. Others: what
    the guests of this host use that they administrate. Three queries at most.
    """
    everything = may_on(user, Action.DEVICES, host)
    guests = Guest.objects.all() if everything else visible_to(user, Action.DEVICES)
    networks = list(HostNetwork.objects.filter(host=host)) if everything else []
    found: dict[Source, None] = {("network", network.name): None for network in networks}
    own_bridges = {network.bridge for network in networks}
    for definition in guests.filter(host=host, gone_at=None).values_list("definition", flat=True):
        for nic in definition.get("nics", []):
            if nic["kind"] in {"network", "bridge"} and nic["source"] and nic["source"] not in own_bridges:
                found[nic["kind"], nic["source"]] = None
    return list(found)


def may_connect(user: User, guest: Guest, kind: object, source: object) -> bool:
    """Whether this person may connect this guest there."""
    return (kind, source) in open_sources(user, guest)
