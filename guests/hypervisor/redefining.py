"""A guest's definition as a tree, to be changed: of what runs, for libvirt's calls; of the next boot, where libvirt has
no call for it, defined again whole.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import libvirt
from django.utils.translation import gettext as _
from lxml import etree

from guests.errors import OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.reading import find_domain
from guests.hypervisor.xml_document import UnreadableDefinition, parse_document


def live_tree(c: Connection, uuid: UUID) -> tuple[Any, etree._Element]:
    """Libvirt's object, and the tree of what runs, without secrets."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        xml = domain.XMLDesc(0)
    try:
        return domain, parse_document(xml)
    except UnreadableDefinition as error:
        raise OperationRefused(_("The definition of this guest cannot be read."), detail=str(error)) from error


def next_boot_tree(c: Connection, uuid: UUID) -> tuple[Any, etree._Element]:
    """Libvirt's object, and the tree of its next boot with its secrets: what is defined again must be whole."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        if not domain.isPersistent():
            raise OperationRefused(
                _("%(guest)s is transient: it has no next boot that could be changed.") % {"guest": domain.name()}
            )
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    try:
        return domain, parse_document(xml)
    except UnreadableDefinition as error:
        raise OperationRefused(
            _("The definition of %(guest)s cannot be read.") % {"guest": domain.name()}, detail=str(error)
        ) from error


def devices_of(root: etree._Element) -> etree._Element:
    """Where its devices stand; made where there are none."""
    found = root.find("devices")
    return etree.SubElement(root, "devices") if found is None else found


def define_again(c: Connection, domain: Any, root: etree._Element) -> None:
    """Give the changed tree back; what runs is not touched."""
    with translated_errors(domain.name()):
        c.raw.defineXML(etree.tostring(root, encoding="unicode"))
