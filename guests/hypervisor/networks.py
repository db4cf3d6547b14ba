"""The virtual networks of a host with what their DHCP servers gave out. Three calls a network, asked rarely."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from guests.errors import HypervisorError, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.xml_document import UnreadableDefinition, attribute, parse_document
from guests.resources import Lease, Network


def list_networks(c: Connection) -> list[Network]:
    """Every network that libvirt knows; empty where the driver has none. One that goes away meanwhile is left out."""
    if "listAllNetworks" in c.lacks:
        return []
    try:
        with translated_errors():
            found = c.raw.listAllNetworks(0)
    except (NotSupported, OperationRefused):
        c.lacks.add("listAllNetworks")
        return []
    networks = []
    for network in found:
        with suppress(HypervisorError, UnreadableDefinition), translated_errors():
            networks.append(_read(network))
    return sorted(networks, key=lambda network: network.name)


def _read(network: Any) -> Network:
    root = parse_document(network.XMLDesc(0))
    active = bool(network.isActive())
    forward = root.find("forward")
    return Network(
        uuid=UUID(network.UUIDString()),
        name=network.name(),
        active=active,
        autostart=bool(network.autostart()),
        forward="isolated" if forward is None else forward.get("mode", "nat"),
        bridge=attribute(root, "bridge", "name"),
        addresses=tuple(f"{ip.get('address', '')}/{_bits(ip)}" for ip in root.iterfind("ip") if ip.get("address")),
        leases=_leases(network) if active and root.find("ip/dhcp") is not None else (),
    )


def _bits(ip: Any) -> str:
    prefix, mask = ip.get("prefix", ""), ip.get("netmask", "")
    if prefix or not mask:
        return prefix or ("64" if ip.get("family") == "ipv6" else "32")
    return str(sum(int(part).bit_count() for part in mask.split(".") if part.isdigit()))


def _leases(network: Any) -> tuple[Lease, ...]:
    with suppress(HypervisorError), translated_errors():
        return tuple(
            Lease(
                mac=str(lease.get("mac") or "").lower(),
                address=str(lease.get("ipaddr") or ""),
                hostname=str(lease.get("hostname") or ""),
                until=int(lease.get("expirytime") or 0),
            )
            for lease in network.DHCPLeases() or []
        )
    return ()
