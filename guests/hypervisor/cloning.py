"""The definition of a clone: its source's next boot, with an identity, MACs and disks of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import libvirt
from lxml import etree

from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.reading import find_domain
from guests.hypervisor.redefining import next_boot_tree
from guests.hypervisor.xml_document import attribute, text_of


@dataclass(frozen=True, slots=True)
class Base:
    """What a linked disk lies over."""

    kind: str  # file, block
    path: str
    format: str
    is_whole: bool  # it lies over nothing itself


@dataclass(frozen=True, slots=True)
class ClonedDisk:
    """What stores a disk of the clone."""

    kind: str  # file, block
    path: str
    format: str
    base: Base | None = None


def define_clone(
    c: Connection, source: UUID, *, uuid: UUID, name: str, macs: Sequence[str], disks: Mapping[str, ClonedDisk]
) -> None:
    """Make the host know the clone; nothing starts. `macs`: one for each NIC, in order; `disks`: by target, those that
    are its own. Other disks and media it shares with its source.
    """
    _domain, root = next_boot_tree(c, source)
    make_clone(root, uuid=uuid, name=name, macs=macs, disks=disks)
    with translated_errors(name):
        c.raw.defineXML(etree.tostring(root, encoding="unicode"))


def undefine_clone(c: Connection, uuid: UUID) -> None:
    """Take it back."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM if c.driver == "qemu" else 0)


def make_clone(
    root: etree._Element, *, uuid: UUID, name: str, macs: Sequence[str], disks: Mapping[str, ClonedDisk]
) -> None:
    """Turn the tree of a guest into its clone's."""
    _identity(root, uuid, name)
    for nic, mac in zip(root.iterfind("devices/interface"), macs, strict=True):
        _nic(nic, mac)
    for disk in root.iterfind("devices/disk"):
        if (cloned := disks.get(attribute(disk, "target", "dev"))) is not None:
            _store(disk, cloned)
    _devices(root)


def _identity(root: etree._Element, uuid: UUID, name: str) -> None:
    for tag, text in (("name", name), ("uuid", str(uuid))):
        element = root.find(tag)
        if element is None:
            element = etree.SubElement(root, tag)
        element.text = text
    for entry in root.iterfind("sysinfo/system/entry[@name='uuid']"):  # libvirt wants them to be the same
        entry.text = str(uuid)
    if (generation := root.find("genid")) is not None and text_of(root, "genid"):
        generation.text = str(uuid4())
    # The variables of its firmware are made anew, from the template.
    if (variables := root.find("os/nvram")) is not None:
        variables.text = None
        for source in variables.findall("source"):
            variables.remove(source)
        variables.attrib.pop("type", None)
        if not variables.attrib:
            _remove(variables)


def _nic(nic: etree._Element, mac: str) -> None:
    element = nic.find("mac")
    if element is None:
        element = etree.SubElement(nic, "mac")
    element.attrib.clear()
    element.set("address", mac)
    for port in nic.iterfind("virtualport/parameters"):
        port.attrib.pop("interfaceid", None)
    for target in nic.findall("target"):
        nic.remove(target)


def _store(disk: etree._Element, cloned: ClonedDisk) -> None:
    for name in ("source", "backingStore", "mirror"):
        for element in disk.findall(name):
            disk.remove(element)
    disk.set("type", cloned.kind)
    driver = disk.find("driver")
    if driver is None:
        driver = etree.Element("driver")
        disk.insert(0, driver)
    driver.set("type", cloned.format)
    attributes = {"file": "file", "block": "dev"}
    source = etree.Element("source", {attributes[cloned.kind]: cloned.path})
    driver.addnext(source)
    if cloned.base is None:
        return
    # Named with its format, so that nobody finds it out by looking into what a guest wrote.
    backing = etree.Element("backingStore", type=cloned.base.kind)
    etree.SubElement(backing, "format", type=cloned.base.format)
    etree.SubElement(backing, "source", {attributes[cloned.base.kind]: cloned.base.path})
    if cloned.base.is_whole:
        etree.SubElement(backing, "backingStore")
    source.addnext(backing)


def _devices(root: etree._Element) -> None:
    """What two guests of one host cannot both have: ports, sockets and files of their own."""
    for log in root.xpath("devices/*/log"):
        _remove(log)
    for graphics in root.iterfind("devices/graphics"):
        if graphics.get("port") not in {None, "-1"} or graphics.get("autoport") == "no":
            graphics.set("autoport", "yes")
        for name in ("port", "tlsPort", "websocket", "socket"):
            graphics.attrib.pop(name, None)
        for listen in graphics.iterfind("listen[@type='socket']"):
            listen.attrib.pop("socket", None)
    for source in root.iterfind("devices/channel[@type='unix']/source[@mode='bind']"):
        source.attrib.pop("path", None)
    for cid in root.iterfind("devices/vsock/cid"):
        cid.attrib.pop("address", None)
        cid.set("auto", "yes")


def _remove(element: etree._Element) -> None:
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)
