"""Graphics devices of the next boot's definition: a VNC server more, and one that only its own host can reach.

What Guesthouse reaches without opening a port to others depends on how the host itself is reached: QEMU on this machine
hands a descriptor over and need not listen at all; inside of a host that is reached by ssh, 127.0.0.1 is enough.
"""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _
from lxml import etree

from guests.errors import NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.redefining import define_again, next_boot_tree
from guests.hypervisor.ssh import TRANSPORTS
from guests.hypervisor.xml_document import attribute

_QEMU = {"qemu", "kvm"}
_PC = {"x86_64", "i686"}
_WHERE = ("listen", "socket", "port", "autoport", "websocket")  # attributes of <graphics> that say where it listens


def add_vnc(c: Connection, uuid: UUID) -> None:
    """A VNC server that Guesthouse can reach and nobody else, from the next boot on; with what a screen needs."""
    domain, root = next_boot_tree(c, uuid)
    devices = root.find("devices")
    if devices is None:
        devices = etree.SubElement(root, "devices")
    if _vnc_servers(root):
        raise OperationRefused(_("%(guest)s has a graphical console already.") % {"guest": domain.name()})
    _refuse_unreachable(c)
    listen_inside(c, etree.SubElement(devices, "graphics", type="vnc"))
    # libvirt adds a video card by itself: on a PC an old one with few sizes.
    if devices.find("video") is None and _is_pc(root):
        etree.SubElement(etree.SubElement(devices, "video"), "model", type="vga")
    # With a mouse the two pointers drift apart.
    if _is_pc(root) and _has_usb(devices) and devices.find("input[@type='tablet']") is None:
        etree.SubElement(devices, "input", type="tablet", bus="usb")
    define_again(c, domain, root)


def keep_vnc_inside(c: Connection, uuid: UUID) -> None:
    """Let the guest's VNC servers listen where only Guesthouse and their own host reach them, from the next boot on."""
    domain, root = next_boot_tree(c, uuid)
    servers = _vnc_servers(root)
    if not servers:
        raise NotSupported(_("%(guest)s has no graphical console.") % {"guest": domain.name()})
    _refuse_unreachable(c)
    for graphics in servers:
        for name in _WHERE:
            graphics.attrib.pop(name, None)
        for listen in graphics.findall("listen"):
            graphics.remove(listen)
        listen_inside(c, graphics)
    define_again(c, domain, root)


def listen_inside(c: Connection, graphics: etree._Element) -> None:
    """Let a new `<graphics>` listen where nobody but its own host reaches it."""
    if c.is_local and c.driver == "qemu":
        etree.SubElement(graphics, "listen", type="none")
        return
    graphics.set("autoport", "yes")
    etree.SubElement(graphics, "listen", type="address", address="127.0.0.1")


def _refuse_unreachable(c: Connection) -> None:
    """Refuse what would listen inside a host into which Guesthouse has no way."""
    if c.host and c.transport not in TRANSPORTS:
        raise NotSupported(
            _(
                "This host is reached without ssh: Guesthouse would see only a screen that everybody on the network"
                " sees. Give the host an address of qemu+ssh, or let the server listen with TLS (virsh edit)."
            )
        )


def _vnc_servers(root: etree._Element) -> list[etree._Element]:
    return root.findall("devices/graphics[@type='vnc']")


def _is_pc(root: etree._Element) -> bool:
    return root.get("type") in _QEMU and attribute(root, "os/type", "arch") in _PC


def _has_usb(devices: etree._Element) -> bool:
    return devices.find("controller[@type='usb'][@model='none']") is None
