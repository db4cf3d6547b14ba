"""What is done to volumes: made, grown, copied, deleted; and which paths the guests of a host have in use."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

import libvirt
from lxml import etree

from guests.errors import GuestNotFound, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.pools import find_pool, parse_volume
from guests.hypervisor.xml_document import UnreadableDefinition, parse_document
from guests.resources import Volume


def find_volume(c: Connection, pool: UUID, name: str) -> Any:
    """Libvirt's object for a volume, or StorageNotFound; two calls. For this room only."""
    found = find_pool(c, pool)
    with translated_errors(name):
        return found.storageVolLookupByName(name)


def get_volume(c: Connection, pool: UUID, name: str) -> Volume:
    """One volume as libvirt tells it now; StorageNotFound where it is gone. Three calls."""
    volume = find_volume(c, pool, name)
    try:
        with translated_errors(name):
            return parse_volume(volume.XMLDesc(0))
    except UnreadableDefinition as error:
        raise OperationRefused(f"{name}: {error}", detail=str(error)) from error


def create_volume(c: Connection, pool: UUID, name: str, format: str, capacity_bytes: int, *, whole: bool) -> None:
    """A new empty volume; `whole`: its space is taken now. Lasts where that has to be written."""
    found = find_pool(c, pool)
    xml = _description(name, format, capacity_bytes, capacity_bytes if whole else 0)
    with translated_errors(name):
        found.createXML(xml, 0)


def clone_volume(
    c: Connection, pool: UUID, name: str, to_pool: UUID, to_name: str, format: str, *, whole: bool = False
) -> None:
    """A copy of a volume, in the same or another pool; lasts as long as its content is large. `whole`: its space is
    taken now, which a volume group needs: there a part of it makes a snapshot that breaks when it is full.

    A volume over a backing file becomes one without. libvirt trusts the format that it sees in the volume: the caller
    has seen to it that this is what the volume is.
    """
    source = find_volume(c, pool, name)
    seen = get_volume(c, pool, name)
    target = find_pool(c, to_pool)
    allocation = seen.capacity_bytes if whole else min(seen.allocation_bytes, seen.capacity_bytes)
    xml = _description(to_name, format, seen.capacity_bytes, allocation)
    with translated_errors(to_name):
        target.createXMLFrom(xml, source, 0)


def grow_volume(c: Connection, pool: UUID, name: str, capacity_bytes: int) -> None:
    """Make a volume larger that no running guest has open."""
    volume = find_volume(c, pool, name)
    with translated_errors(name):
        volume.resize(capacity_bytes, 0)


def delete_volume(c: Connection, pool: UUID, name: str) -> None:
    """Delete a volume with its content, for good."""
    volume = find_volume(c, pool, name)
    with translated_errors(name):
        volume.delete(0)


def paths_in_use(c: Connection) -> dict[str, set[str]]:
    """Every path that a guest of the host names, whatever for, with the guests' names: disks now and at the next boot,
    the backing files of running ones, kernels and firmware. A volume named by its pool is under "pool/volume".
    Two calls a guest: for what cannot be undone.
    """
    found: dict[str, set[str]] = {}
    with translated_errors():
        domains = c.raw.listAllDomains(0)
    for domain in domains:
        with suppress(GuestNotFound), translated_errors(domain.name()):
            for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE):
                for path in _paths(domain.XMLDesc(flags)):
                    found.setdefault(path, set()).add(domain.name())
    return found


def _paths(xml: str) -> set[str]:
    try:
        root = parse_document(xml)
    except UnreadableDefinition as error:
        # What it uses is not known, so nothing may be deleted.
        raise OperationRefused(str(error), detail=str(error)) from error
    found = {text for name in ("kernel", "initrd", "loader", "nvram") for text in root.xpath(f"os/{name}/text()")}
    for source in root.iter("source"):
        found.update(source.get(name, "") for name in ("file", "dev", "dir", "path"))
        if source.get("pool"):
            found.add(f"{source.get('pool')}/{source.get('volume', '')}")
    return {path.strip() for path in found if path.strip()}


def _description(name: str, format: str, capacity_bytes: int, allocation_bytes: int) -> str:
    root = etree.Element("volume")
    etree.SubElement(root, "name").text = name
    etree.SubElement(root, "capacity", unit="bytes").text = str(capacity_bytes)
    etree.SubElement(root, "allocation", unit="bytes").text = str(allocation_bytes)
    etree.SubElement(etree.SubElement(root, "target"), "format", type=format)
    return etree.tostring(root, encoding="unicode")
