"""Memory devices: DIMMs and virtio-mem, plugged in, changed and taken out, now (live) and at the next boot.

Live, libvirt is asked; the next boot's definition is changed as a tree: libvirt's own call (9.0) counts the whole of a
virtio-mem device as current memory, which the balloon would then give beside it.
"""

from __future__ import annotations

from uuid import UUID

import libvirt
from django.utils.translation import gettext as _
from lxml import etree

from guests.errors import NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.memory_room import set_amount
from guests.hypervisor.memory_xml import kib_at, parse_hotplug
from guests.hypervisor.reading import find_domain
from guests.hypervisor.redefining import define_again, devices_of, live_tree, next_boot_tree
from guests.resources import MemoryDevice

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
OURS = "ua-"  # libvirt keeps only aliases that begin so: the same name now and at the next boot
_NEVER_UNPLUGGED = "cannot be unplugged"  # QEMU 7.2's words for virtio-mem
_REJECTED = "rejected by the guest"  # libvirt's, where the guest answers within the 5 s that libvirt waits


def plug_in(c: Connection, uuid: UUID, device: MemoryDevice, *, live: bool) -> None:
    """Plug it into what runs (`live`), or into the next boot."""
    if live:
        domain = find_domain(c, uuid)
        with translated_errors(domain.name()):
            domain.attachDeviceFlags(etree.tostring(device_element(device), encoding="unicode"), LIVE)
        return
    domain, root = next_boot_tree(c, uuid)
    devices_of(root).append(device_element(device))
    _count(root, device, 1)
    define_again(c, domain, root)


def request(c: Connection, uuid: UUID, name: str, kib: int, *, live: bool) -> None:
    """How much of a virtio-mem device the guest should take; live it does so a moment later, or never."""
    if live:
        domain, root = live_tree(c, uuid)
        found = _the_one(root, name, domain.name())
        _set_requested(found, kib)
        with translated_errors(domain.name()):
            domain.updateDeviceFlags(etree.tostring(found, encoding="unicode"), LIVE)
        return
    domain, root = next_boot_tree(c, uuid)
    _set_requested(_the_one(root, name, domain.name()), kib)
    define_again(c, domain, root)


def take_out(c: Connection, uuid: UUID, name: str, *, live: bool) -> bool:
    """Take it out. Live this asks the guest, which lets go of a DIMM a moment later, or never; False where it refuses
    at once. NotSupported where the hypervisor never takes out such a device of a running guest.
    """
    if live:
        domain, root = live_tree(c, uuid)
        found = _the_one(root, name, domain.name())
        try:
            with translated_errors(domain.name()):
                domain.detachDeviceFlags(etree.tostring(found, encoding="unicode"), LIVE)
        except OperationRefused as error:
            if _REJECTED in error.detail:
                return False
            if _NEVER_UNPLUGGED in error.detail:
                raise NotSupported(
                    _(
                        "The QEMU of this host cannot take out virtio-mem while the guest runs: the device goes at the "
                        "next boot."
                    ),
                    detail=error.detail,
                ) from error
            raise
        return True
    domain, root = next_boot_tree(c, uuid)
    device = next((device for device in parse_hotplug(root).devices if device.name == name), None)
    devices_of(root).remove(_the_one(root, name, domain.name()))
    if device is not None:
        _count(root, device, -1)
    define_again(c, domain, root)
    return True


def memory_seen_by_guest(c: Connection, uuid: UUID) -> int | None:
    """All the memory that the guest itself sees, KiB, by its balloon's statistics; None where it does not tell."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        seen: int | None = domain.memoryStats().get("available")
    return seen


def device_element(device: MemoryDevice) -> etree._Element:
    """A new `<memory>`, of the first NUMA cell."""
    element = etree.Element("memory", model=device.model)
    target = etree.SubElement(element, "target")
    etree.SubElement(target, "size", unit="KiB").text = str(device.size_kib)
    etree.SubElement(target, "node").text = "0"
    if device.in_parts:
        etree.SubElement(target, "block", unit="KiB").text = str(device.block_kib)
        etree.SubElement(target, "requested", unit="KiB").text = str(device.requested_kib)
    if device.name.startswith(OURS):
        etree.SubElement(element, "alias", name=device.name)
    return element


def _count(root: etree._Element, device: MemoryDevice, sign: int) -> None:
    """Among `<memory>`, and, of a DIMM, among `<currentMemory>`, or the balloon would take it away at once."""
    maximum = kib_at(root, "memory") + sign * device.size_kib
    current = kib_at(root, "currentMemory") if root.find("currentMemory") is not None else maximum
    set_amount(root, "memory", maximum)
    set_amount(root, "currentMemory", min(maximum, current + (0 if device.in_parts else sign * device.size_kib)))


def _set_requested(element: etree._Element, kib: int) -> None:
    requested = element.find("target/requested")
    if requested is None:
        raise OperationRefused(_("Only virtio-mem is given in parts."))
    requested.set("unit", "KiB")
    requested.text = str(kib)


def _the_one(root: etree._Element, name: str, guest: str) -> etree._Element:
    """Names are told in the order of the elements."""
    elements = root.findall("devices/memory")
    named = [e for e, device in zip(elements, parse_hotplug(root).devices, strict=True) if device.name == name]
    if len(named) != 1:
        raise OperationRefused(
            _("%(guest)s has no memory device %(name)s (any more).") % {"guest": guest, "name": name}
        )
    return named[0]
