"""A guest's disks: attached, detached, grown, their media changed, now (live) and at the next boot.

Live, libvirt is asked; the next boot's definition is changed as a tree, which every driver can. Sources come as values
that were found in a pool of the host: nothing here takes a path from a person.
"""

from __future__ import annotations

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
from guests.resources import Disk

LIVE, FORCE = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE
SOURCES = {"file": "file", "block": "dev"}  # kinds that can be asked for, and what names their source


def add_disk(c: Connection, uuid: UUID, disk: Disk, *, live: bool) -> None:
    """Attach a disk or a drive to what runs (`live`), or to the next boot."""
    if live:
        domain, root = live_tree(c, uuid)
        element = disk_element(disk, root)
        controller = _missing_controller(root, disk)
        with translated_errors(domain.name()):
            if controller is not None:
                domain.attachDeviceFlags(_text(controller), LIVE)
            domain.attachDeviceFlags(_text(element), LIVE)
        return
    domain, root = next_boot_tree(c, uuid)
    devices = devices_of(root)
    controller = _missing_controller(root, disk)
    if controller is not None:
        devices.append(controller)
    devices.append(disk_element(disk, root))
    define_again(c, domain, root)


def remove_disk(c: Connection, uuid: UUID, target: str, *, live: bool) -> None:
    """Detach a disk. Live this asks the guest, which lets go of it a moment later, or never."""
    if live:
        domain, root = live_tree(c, uuid)
        with translated_errors(domain.name()):
            domain.detachDeviceFlags(_text(_the_one(root, target, domain.name())), LIVE)
        return
    domain, root = next_boot_tree(c, uuid)
    found = _the_one(root, target, domain.name())
    parent = found.getparent()
    assert parent is not None
    parent.remove(found)
    define_again(c, domain, root)


def change_medium(c: Connection, uuid: UUID, drive: Disk, *, live: bool, force: bool = False) -> None:
    """Put the source of `drive` into the drive of its target; without a source: eject. `force` opens a locked tray.

    Live a guest that locks the tray is given a few seconds to unlock it; then this is refused at the field `force`.
    """
    if not live:
        domain, root = next_boot_tree(c, uuid)
        _set_source(_the_one(root, drive.target, domain.name()), drive)
        define_again(c, domain, root)
        return
    domain, root = live_tree(c, uuid)
    element = _the_one(root, drive.target, domain.name())
    _set_source(element, drive)
    try:
        with translated_errors(domain.name()):
            domain.updateDeviceFlags(_text(element), LIVE | (FORCE if force else 0))
    except OperationRefused as error:
        if force or "tray" not in error.detail:
            raise
        raise OperationRefused(
            _("%(guest)s holds the tray of %(target)s locked: let go of the medium inside the guest, or use force.")
            % {"guest": domain.name(), "target": drive.target},
            field="force",
            detail=error.detail,
            code=error.code,
        ) from error


def grow_disk(c: Connection, uuid: UUID, target: str, size: int) -> None:
    """Make a disk of a running guest larger, to `size` bytes; the guest sees it at once."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        domain.blockResize(target, size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)


def disk_capacity(c: Connection, uuid: UUID, target: str) -> int:
    """How large the guest sees one of its disks, bytes."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        capacity, _allocation, _physical = domain.blockInfo(target)
    return int(capacity)


def _the_one(root: etree._Element, target: str, guest: str) -> etree._Element:
    for disk in root.iterfind("devices/disk"):
        if attribute(disk, "target", "dev") == target:
            return disk
    raise OperationRefused(_("%(guest)s has no disk %(target)s (any more).") % {"guest": guest, "target": target})


def _missing_controller(root: etree._Element, disk: Disk) -> etree._Element | None:
    """The first SCSI disk brings a virtio controller: what libvirt adds by itself few guests have a driver for."""
    if disk.bus != "scsi" or root.get("type") == "xen" or root.find("devices/controller[@type='scsi']") is not None:
        return None
    return etree.Element("controller", type="scsi", model="virtio-scsi")


def disk_element(disk: Disk, root: etree._Element) -> etree._Element:
    """A new `<disk>` of a `<domain>`."""
    element = etree.Element("disk", type="file", device=disk.device)
    # Xen's driver reads every format as raw unless QEMU is named.
    is_phy = root.get("type") == "xen" and disk.source_kind == "block"
    driver = etree.SubElement(element, "driver", name="phy" if is_phy else "qemu")
    if disk.cache:
        driver.set("cache", disk.cache)
    etree.SubElement(element, "target", dev=disk.target, bus=disk.bus)
    _set_source(element, disk)
    if disk.readonly:
        etree.SubElement(element, "readonly")
    if disk.shareable:
        etree.SubElement(element, "shareable")
    if disk.serial:
        etree.SubElement(element, "serial").text = disk.serial
    return element


def _set_source(element: etree._Element, disk: Disk) -> None:
    """The format is always said: one that is guessed from what a guest wrote can name any file of the host."""
    for name in ("source", "backingStore"):
        for old in element.findall(name):
            element.remove(old)
    driver = element.find("driver")
    if driver is None:
        driver = etree.SubElement(element, "driver")
    driver.set("type", disk.format or "raw")
    if not disk.source:
        element.set("type", "file")
        return
    if disk.source_kind not in SOURCES:
        raise OperationRefused(_("A volume of this kind cannot be attached here."), field="volume")
    element.set("type", disk.source_kind)
    etree.SubElement(element, "source", {SOURCES[disk.source_kind]: disk.source})


def _text(element: etree._Element) -> str:
    return etree.tostring(element, encoding="unicode")
