"""The VNC password of a running guest: read at the moment of signing in to its screen, kept nowhere, shown nowhere."""

from __future__ import annotations

from uuid import UUID

import libvirt

from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.reading import find_domain
from guests.hypervisor.xml_document import UnreadableDefinition, parse_document


def graphics_password(c: Connection, uuid: UUID, index: int = 0) -> str | None:
    """What `<graphics passwd=…>` says of the guest's graphics device number `index`, None where it says nothing."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    try:
        devices = parse_document(xml).findall("devices/graphics")
    except UnreadableDefinition:
        return None
    return devices[index].get("passwd") if index < len(devices) else None
