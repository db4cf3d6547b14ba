"""Text console devices of the next boot's definition: another serial port, and a log file that the host writes.

The definition is changed as a tree and defined again; what runs is not touched.
"""

from __future__ import annotations

import re
from uuid import UUID

from django.utils.translation import gettext as _
from lxml import etree

from guests.errors import NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.redefining import define_again, next_boot_tree
from guests.hypervisor.xml_document import attribute

MOST_SERIALS = 4  # COM1 to COM4 of a PC
LOG_DIRECTORY = "/var/log/libvirt/qemu"  # where libvirt's own logs lie, which virtlogd may write
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,120}")
_LOGGING = {"qemu", "kvm", "test"}


def add_serial_console(c: Connection, uuid: UUID) -> None:
    """A serial port that a text console can be opened on, from the next boot on."""
    domain, root = next_boot_tree(c, uuid)
    devices = root.find("devices")
    if devices is None:
        devices = etree.SubElement(root, "devices")
    if len(devices.findall("serial")) >= MOST_SERIALS:
        raise OperationRefused(
            _("%(guest)s has %(count)d serial ports already: a PC has no more.")
            % {"guest": domain.name(), "count": MOST_SERIALS}
        )
    ports = {attribute(serial, "target", "port") for serial in devices.iterfind("serial")}
    free = next(port for port in map(str, range(MOST_SERIALS + 1)) if port not in ports)
    serial = etree.SubElement(devices, "serial", type="pty")
    etree.SubElement(serial, "target", port=free)
    define_again(c, domain, root)


def set_host_log(c: Connection, uuid: UUID, device: str, *, on: bool) -> None:
    """Have the host write (or write no more) what a device says to a file of its own, from the next boot on."""
    domain, root = next_boot_tree(c, uuid)
    if root.get("type") not in _LOGGING:
        raise NotSupported(_("The driver of this host writes no console logs of its own."))
    if on and "/session" in c.uri:
        raise NotSupported(_("A libvirt that runs for one user has no place for console logs."))
    found = _devices_named(root, device)
    if not found:
        raise NotSupported(_("%(guest)s has no text console %(device)s.") % {"guest": domain.name(), "device": device})
    for element in found:
        for log in element.findall("log"):
            element.remove(log)
    if on:
        name = domain.name() if _PLAIN_NAME.fullmatch(domain.name()) else str(uuid)
        for element in found:
            etree.SubElement(element, "log", file=f"{LOG_DIRECTORY}/{name}-{device}.log", append="on")
    define_again(c, domain, root)


def _devices_named(root: etree._Element, device: str) -> list[etree._Element]:
    """The device of that name, and the `<console>` by which libvirt shows the first serial port again."""
    serials, consoles = root.findall("devices/serial"), root.findall("devices/console")
    kind, number = device.rstrip("0123456789"), device[len(device.rstrip("0123456789")) :]
    place = int(number) if number.isdigit() and len(number) < 4 else -1
    candidates = {"serial": serials, "console": consoles}.get(kind, [])
    found = [candidates[place]] if 0 <= place < len(candidates) else []
    if found and kind == "serial" and place == 0:
        found += [console for console in consoles if attribute(console, "target", "type", "serial") == "serial"][:1]
    return found
