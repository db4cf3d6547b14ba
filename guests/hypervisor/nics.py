"""A guest's NICs: plugged in, taken out and changed, now (live) and at the next boot.

Live, libvirt is asked; the next boot's definition is changed as a tree, which every driver can.
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
from guests.hypervisor.redefining import define_again, devices_of, live_tree, next_boot_tree
from guests.hypervisor.xml_document import attribute
from guests.resources import NIC

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
SOURCES = {"network": "network", "bridge": "bridge"}  # kinds that can be asked for, and what names their source


def add_nic(c: Connection, uuid: UUID, nic: NIC, *, live: bool) -> None:
    """Plug a NIC into what runs (`live`), or into the next boot."""
    if live:
        domain = find_domain(c, uuid)
        with translated_errors(domain.name()):
            domain.attachDeviceFlags(etree.tostring(nic_element(nic), encoding="unicode"), LIVE)
        return
    domain, root = next_boot_tree(c, uuid)
    devices_of(root).append(nic_element(nic))
    define_again(c, domain, root)


def remove_nic(c: Connection, uuid: UUID, mac: str, *, live: bool) -> None:
    """Take a NIC out. Live this asks the guest, which lets go of it a moment later, or never."""
    if live:
        domain, found = _live_nic(c, uuid, mac)
        with translated_errors(domain.name()):
            domain.detachDeviceFlags(etree.tostring(found, encoding="unicode"), LIVE)
        return
    domain, root = next_boot_tree(c, uuid)
    found = _the_one(root, mac, domain.name())
    parent = found.getparent()
    assert parent is not None
    parent.remove(found)
    define_again(c, domain, root)


def change_nic(c: Connection, uuid: UUID, mac: str, nic: NIC, *, live: bool) -> None:
    """Give the NIC with this MAC another network, link, rates and, at the next boot only, model and MAC."""
    if live:
        domain, found = _live_nic(c, uuid, mac)
        _set(found, nic, source_too=not _leads_to(found, nic))
        with translated_errors(domain.name()):
            domain.updateDeviceFlags(etree.tostring(found, encoding="unicode"), LIVE)
        return
    domain, root = next_boot_tree(c, uuid)
    found = _the_one(root, mac, domain.name())
    _set(found, nic, source_too=not _leads_to(found, nic))
    _child(found, "mac").set("address", nic.mac)
    if nic.model:
        _child(found, "model").set("type", nic.model)
    define_again(c, domain, root)


def _live_nic(c: Connection, uuid: UUID, mac: str) -> tuple[Any, etree._Element]:
    domain, root = live_tree(c, uuid)
    return domain, _the_one(root, mac, domain.name())


def _the_one(root: etree._Element, mac: str, guest: str) -> etree._Element:
    found = [nic for nic in root.iterfind("devices/interface") if attribute(nic, "mac", "address").lower() == mac]
    if not found:
        raise OperationRefused(_("%(guest)s has no NIC %(mac)s (any more).") % {"guest": guest, "mac": mac})
    if len(found) > 1:
        raise OperationRefused(
            _("%(guest)s has two NICs with the MAC %(mac)s: edit its definition.") % {"guest": guest, "mac": mac}
        )
    return found[0]


def nic_element(nic: NIC) -> etree._Element:
    """A new `<interface>`."""
    element = etree.Element("interface", type=nic.kind)
    etree.SubElement(element, "mac", address=nic.mac)
    if nic.model:
        etree.SubElement(element, "model", type=nic.model)
    _set(element, nic, source_too=True)
    return element


def _leads_to(element: etree._Element, nic: NIC) -> bool:
    """Whether it leads there already: a running one in a network is a bridge that names its network."""
    return attribute(element, "source", SOURCES.get(nic.kind, "")) == nic.source


def _set(element: etree._Element, nic: NIC, *, source_too: bool) -> None:
    """What may change while it runs; the rest of the element, as its alias and address, stays."""
    if source_too:
        for name in ("source", "virtualport", "target"):
            for old in element.findall(name):
                element.remove(old)
        element.set("type", nic.kind)
        if nic.kind in SOURCES:
            etree.SubElement(element, "source", {SOURCES[nic.kind]: nic.source})
    elif nic.kind == "network" and element.get("type") != "network":
        # A running one tells the bridge that its network gave it; sent back as that, libvirt forgets the network.
        element.set("type", "network")
        _child(element, "source").attrib.pop("bridge", None)
    _child(element, "link").set("state", "up" if nic.link_up else "down")
    for old in element.findall("bandwidth"):
        element.remove(old)
    if nic.inbound_kib or nic.outbound_kib:
        bandwidth = etree.SubElement(element, "bandwidth")
        if nic.inbound_kib:
            etree.SubElement(bandwidth, "inbound", average=str(nic.inbound_kib))
        if nic.outbound_kib:
            etree.SubElement(bandwidth, "outbound", average=str(nic.outbound_kib))


def _child(element: etree._Element, name: str) -> etree._Element:
    found = element.find(name)
    return etree.SubElement(element, name) if found is None else found
