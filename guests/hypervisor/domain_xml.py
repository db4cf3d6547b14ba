"""Domain XML → `resources.Definition`, by pure functions (libvirt's formatdomain)."""

from __future__ import annotations

from uuid import UUID

from lxml import etree

from guests.hypervisor.cpu_xml import parse_cpu, parse_tuning
from guests.hypervisor.device_xml import parse_disk, parse_graphics, parse_nic, parse_text_consoles
from guests.hypervisor.memory_xml import parse_hotplug, parse_memory
from guests.hypervisor.xml_document import UnreadableDefinition, attribute, number, parse_document, text_of
from guests.resources import Definition, Graphics, VCPUs, Virtualisation

__all__ = ["UnreadableDefinition", "parse_definition", "parse_screens"]

_VIRTUALISATION = {
    "hvm": Virtualisation.FULL,
    "linux": Virtualisation.PARA,  # libvirt's word for a Xen PV guest
    "xen": Virtualisation.PARA,  # and for Domain-0
    "uml": Virtualisation.PARA,
    "xenpvh": Virtualisation.PVH,
    "exe": Virtualisation.CONTAINER,
}
CLIPBOARD = "devices/channel[@type='qemu-vdagent']/source/clipboard[@copypaste='yes']"


def parse_definition(xml: str) -> Definition:
    """The values of a domain XML, live or for the next boot; UnreadableDefinition for anything else."""
    root = _domain(xml)
    domain_type = root.get("type", "")
    os_type = text_of(root, "os/type")
    if os_type not in _VIRTUALISATION:
        raise UnreadableDefinition(f"unknown <os><type>: {os_type[:40]!r}")
    return Definition(
        uuid=_uuid(root),
        name=root.findtext("name") or "",
        title=text_of(root, "title"),
        description=text_of(root, "description"),
        virtualisation=_VIRTUALISATION[os_type],
        os_type=os_type,
        domain_type=domain_type,
        machine=attribute(root, "os/type", "machine"),
        firmware=_firmware(root) if os_type == "hvm" else "",
        memory=parse_memory(root),
        vcpus=_vcpus(root),
        balloon=_has_balloon(root, domain_type),
        stats_period_s=number(attribute(root, "devices/memballoon/stats", "period", "0"), "the statistics' period"),
        disks=tuple(parse_disk(disk) for disk in root.iterfind("devices/disk")),
        nics=tuple(parse_nic(nic) for nic in root.iterfind("devices/interface")),
        text_consoles=parse_text_consoles(root, xen=domain_type == "xen"),
        graphics=tuple(parse_graphics(graphics) for graphics in root.iterfind("devices/graphics")),
        boot_order=_boot_order(root),
        shares_clipboard=root.find(CLIPBOARD) is not None,
        cpu=parse_cpu(root),
        tuning=parse_tuning(root),
        hotplug=parse_hotplug(root),
    )


def parse_screens(xml: str) -> tuple[Graphics, ...]:
    """The graphics devices alone: between a click and a screen nothing else is looked at. Or UnreadableDefinition."""
    return tuple(parse_graphics(graphics) for graphics in _domain(xml).iterfind("devices/graphics"))


def _domain(xml: str) -> etree._Element:
    root = parse_document(xml)
    if root.tag != "domain":
        raise UnreadableDefinition(f"the root is <{str(root.tag)[:40]}>, not <domain>")
    return root


def _boot_order(root: etree._Element) -> tuple[str, ...]:
    """Each device's own place, or else the kinds of `<os><boot>`, which mean the first device of a kind."""
    disks, nics = root.findall("devices/disk"), root.findall("devices/interface")
    names = {disk: f"disk:{attribute(disk, 'target', 'dev')}" for disk in disks}
    names |= {nic: f"nic:{attribute(nic, 'mac', 'address').lower()}" for nic in nics}
    placed = [(attribute(element, "boot", "order"), name) for element, name in names.items()]
    own = sorted((int(order), name) for order, name in placed if order.isascii() and order.isdigit())
    if own:
        return tuple(name for _order, name in own)
    kinds = {"hd": "disk", "cdrom": "cdrom", "fd": "floppy"}
    found = []
    for boot in root.iterfind("os/boot"):
        kind = boot.get("dev", "")
        alike = nics if kind == "network" else [d for d in disks if d.get("device", "disk") == kinds.get(kind)]
        found += [names[alike[0]]] if alike else []
    return tuple(found)


def _uuid(root: etree._Element) -> UUID:
    try:
        return UUID(text_of(root, "uuid"))
    except ValueError as error:
        raise UnreadableDefinition("the <uuid> is missing or wrong") from error


def _vcpus(root: etree._Element) -> VCPUs:
    maximum = number(text_of(root, "vcpu") or "1", "<vcpu>")
    return VCPUs(current=number(attribute(root, "vcpu", "current", str(maximum)), "vcpu current"), maximum=maximum)


def _firmware(root: etree._Element) -> str:
    """BIOS or UEFI: chosen by name (libvirt ≥ 5.2), else by what the loader is."""
    chosen = attribute(root, "os", "firmware")
    if chosen:
        return "UEFI" if chosen == "efi" else "BIOS"
    loader = text_of(root, "os/loader").lower()
    is_uefi = attribute(root, "os/loader", "type") == "pflash" or "ovmf" in loader or "uefi" in loader
    return "UEFI" if is_uefi else "BIOS"


def _has_balloon(root: etree._Element, domain_type: str) -> bool:
    """Xen's guests always have one; elsewhere it is a device that can be left out (`model='none'`)."""
    if domain_type == "xen":
        return True
    return attribute(root, "devices/memballoon", "model", "none") != "none"
