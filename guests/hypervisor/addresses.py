"""The addresses that a running guest has, as its guest agent or its host's neighbour table tells them.

An agent that hangs holds its call up without end: call it in a thread that can be left behind, over a connection that
nobody else uses. A deadline in libvirt (virDomainAgentSetResponseTimeout) would hold for everybody's calls to the
agent, also for those that may take long, as freezing file systems for a backup does.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import libvirt

from guests.errors import NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.reading import find_domain
from guests.resources import AddressSource, GuestAddress

MOST_ADDRESSES = 64  # what the agent tells is the guest's word
MOST_NAME = 40
_SOURCES = {
    AddressSource.AGENT: libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT,
    AddressSource.ARP: libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP,
}


class NoAgent(NotSupported):
    """The guest has no channel for an agent, or the driver knows none."""


class AgentSilent(OperationRefused):
    """The channel is there; nobody answers on it."""


def read_addresses(c: Connection, uuid: UUID, source: AddressSource) -> tuple[GuestAddress, ...]:
    """What one source tells, loopback left out, at most MOST_ADDRESSES. NoAgent or AgentSilent of the agent,
    NotSupported where the driver has no such source.
    """
    domain = find_domain(c, uuid)
    try:
        with translated_errors(domain.name()):
            told = domain.interfaceAddresses(_SOURCES[source], 0) or {}
    except NotSupported as error:
        if source is AddressSource.AGENT:
            raise NoAgent(str(error), detail=error.detail, code=error.code) from error
        raise
    except OperationRefused as error:
        if error.code == libvirt.VIR_ERR_AGENT_UNRESPONSIVE:
            raise AgentSilent(str(error), detail=error.detail, code=error.code) from error
        raise
    return tuple(addresses_told(told))[:MOST_ADDRESSES]


def addresses_told(told: dict[str, Any]) -> Iterator[GuestAddress]:
    """Libvirt's answer as values; what is no address of a NIC is left out, whatever a guest says."""
    for name, interface in told.items():
        mac = str(interface.get("hwaddr") or "").lower()
        for entry in interface.get("addrs") or []:
            try:
                address = ip_address(str(entry.get("addr") or ""))
            except ValueError:
                continue
            if not (address.is_loopback or address.is_unspecified or address.is_multicast):
                yield GuestAddress(mac[:17], str(address), str(name)[:MOST_NAME])
