"""The addresses of a guest as its page shows them: each once, with who told it and when. One query for the leases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from django.utils.translation import gettext as _

from guests.inventory.addresses import AddressProblem, GuestAddresses
from guests.inventory.models import Guest
from guests.inventory.networks import leases_of
from guests.resources import AddressSource
from guests.templatetags.guesthouse import ago

LEASE = "lease"


@dataclass(frozen=True, slots=True)
class AddressShown:
    """One address; `told_by`: "guest agent 12 s ago, DHCP lease"."""

    address: str
    told_by: str


@dataclass(frozen=True, slots=True)
class AddressesShown:
    """Those of the guest's NICs by MAC, those of other interfaces in it by name, and what there is to say about it."""

    by_mac: dict[str, list[AddressShown]] = field(default_factory=dict)
    inside: dict[str, list[AddressShown]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class ToldAddress:
    """One address, as one source told it."""

    mac: str
    interface: str  # as the guest calls it; "" where nobody in it was asked
    address: str
    told_by: str  # agent, arp, lease
    at: datetime | None  # None of leases: they hold until they are given back


def told_addresses(guest: Guest, row: GuestAddresses | None) -> list[ToldAddress]:
    """All that is known. Nothing of a guest's earlier life. One query for the leases."""
    readings = _readings(guest, row)
    found = []
    for source in AddressSource:
        reading = readings.get(source, {})
        at = datetime.fromtimestamp(reading.get("at", 0), UTC)
        for mac, address, interface in reading.get("addresses", []):
            found.append(ToldAddress(mac, interface, address, source.value, at))
    for mac, addresses in leases_of(guest).items():
        found += [ToldAddress(mac, "", address, LEASE, None) for address in addresses]
    return found


def addresses_shown(guest: Guest, row: GuestAddresses | None) -> AddressesShown:
    """Link-local ones last."""
    told: dict[tuple[str, str], dict[str, list[str]]] = {}
    macs = {nic["mac"].lower() for nic in guest.definition.get("nics", [])}
    words = {
        AddressSource.AGENT: _("guest agent %(ago)s"),
        AddressSource.ARP: _("neighbours of the host %(ago)s"),
        LEASE: _("DHCP lease"),
    }
    for one in told_addresses(guest, row):
        where = ("mac", one.mac) if one.mac in macs or one.told_by == LEASE else ("inside", one.interface)
        line = words[one.told_by] % {"ago": ago(one.at)} if one.at else words[one.told_by]
        told.setdefault(where, {}).setdefault(one.address, []).append(line)
    shown = AddressesShown(note=_note(guest, _readings(guest, row).get(AddressSource.AGENT, {}).get("problem")))
    for (kind, key), found in told.items():
        lines = [AddressShown(address, ", ".join(found[address])) for address in _sorted(found)]
        (shown.by_mac if kind == "mac" else shown.inside)[key] = lines
    return shown


def _readings(guest: Guest, row: GuestAddresses | None) -> dict[str, Any]:
    """By source; of the life that the guest has now."""
    is_of_now = row is not None and guest.is_active and row.domain_id == guest.domain_id
    return row.readings if row is not None and is_of_now else {}


def _sorted(addresses: Iterable[str]) -> list[str]:
    def rank(address: str) -> tuple[bool, int, int]:
        parsed = ip_address(address)
        return parsed.is_link_local, parsed.version, int(parsed)

    return sorted(addresses, key=rank)


def _note(guest: Guest, problem: str | None) -> str:
    """Why the agent told nothing: what the host and its DHCP servers know is all there is, then."""
    if not guest.is_active or problem is None:
        return ""
    return {
        AddressProblem.ABSENT: _("It has no guest agent’s channel: its host and DHCP servers tell what they know."),
        AddressProblem.SILENT: _("No guest agent answers in it: its host and DHCP servers tell what they know."),
        AddressProblem.HANGS: _("Its guest agent hangs, and is not asked again until the guest is started anew."),
        AddressProblem.FAILED: _("The host refused to ask its guest agent."),
    }.get(AddressProblem(problem), "")
