"""A new guest: from what was chosen to a definition, as a tree; and that definition given to the host.

Every guest gets a text console, a graphical one that only its own host reaches, and what lets it be watched and
resized: a balloon with statistics, an agent's channel.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import libvirt
from django.utils.translation import gettext as _
from lxml import etree

from guests.errors import OperationRefused
from guests.hypervisor.capabilities import Offer
from guests.hypervisor.connection import Connection
from guests.hypervisor.disks import disk_element
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.graphics_devices import listen_inside
from guests.hypervisor.nics import nic_element
from guests.hypervisor.reading import find_domain
from guests.resources import NIC, Disk, Memory, VCPUs

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")  # of guests that we make; any other is shown, and never made
STATS_SECONDS = 5  # how often a guest is asked what it uses
SPARE_PORTS = 14  # of PCI Express: each device that is plugged in later needs one
_QEMU = {"kvm", "qemu"}
_PARA = {"xen", "xenpvh"}
_PLAIN = {"q35": ("sata", "sd"), "pc": ("ide", "hd"), "": ("ide", "hd")}  # bus of CD-ROMs, by machine; else SCSI
_ALL_WRITTEN = {"ide", "sata"}
_PC, _PCIE = {"x86_64", "i686"}, {"q35", "virt"}
_OS_TYPES = {"xen": "linux"}  # capabilities and definitions have different words for para-virtualisation


@dataclass(frozen=True, slots=True)
class NewDisk:
    """A disk or CD-ROM; its bus and target follow from what runs the guest."""

    path: str
    kind: str  # file, block
    format: str  # raw, qcow2: never found out by looking into it
    device: str = "disk"  # disk, cdrom
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class NewGuest:
    """What a new guest is to be like."""

    name: str
    uuid: UUID
    offer: Offer
    memory: Memory
    vcpus: VCPUs
    disks: tuple[NewDisk, ...] = ()
    nics: tuple[NIC, ...] = ()
    uefi: bool = False
    emulated: bool = False  # only devices for which every system has drivers: slower
    kernel: str = ""  # a path on the host, booted instead of what is on the disks
    initrd: str = ""
    cmdline: str = ""

    @property
    def is_para(self) -> bool:
        """Para-virtualised: without firmware."""
        return self.offer.os_type in _PARA


def define_guest(c: Connection, new: NewGuest) -> None:
    """Make the host know the guest; nothing starts. Refused where the host has a guest of this name."""
    # QEMU's sockets of a session lie so deep that a channel's address gets too long.
    tree = definition_of(new, agent=not urlsplit(c.uri).path.endswith("/session"))
    graphics = tree.find("devices/graphics")
    assert graphics is not None
    listen_inside(c, graphics)
    with translated_errors(new.name):
        c.raw.defineXML(etree.tostring(tree, encoding="unicode"))


def undefine_guest(c: Connection, new: NewGuest) -> None:
    """Make the host forget a guest that was just defined, with the variables of its firmware."""
    domain = find_domain(c, new.uuid)
    with translated_errors(new.name):
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM if new.uefi else 0)


def has_guest_named(c: Connection, name: str) -> bool:
    """Whether the host has a guest of this name."""
    with translated_errors():
        return any(domain.name() == name for domain in c.raw.listAllDomains(0))


def definition_of(new: NewGuest, *, agent: bool = True) -> etree._Element:
    """The `<domain>`, which does not say yet where VNC listens. Refused at `name` for one that we do not make."""
    if not NAME.fullmatch(new.name):
        raise OperationRefused(
            _("A name has letters, digits, “_”, “.” and “-”, begins with a letter or digit, and ends after 63."),
            field="name",
        )
    root = etree.Element("domain", type=new.offer.domain_type)
    _text(root, "name", new.name)
    _text(root, "uuid", str(new.uuid))
    _text(root, "memory", str(new.memory.maximum_kib), unit="KiB")
    _text(root, "currentMemory", str(new.memory.current_kib), unit="KiB")
    _text(root, "vcpu", str(new.vcpus.maximum), current=str(new.vcpus.current))
    _os(root, new)
    if not new.is_para:
        features = etree.SubElement(root, "features")
        etree.SubElement(features, "acpi")
        if new.offer.arch in _PC:
            etree.SubElement(features, "apic")
    if mode := _cpu_mode(new.offer):
        etree.SubElement(root, "cpu", mode=mode)
    etree.SubElement(root, "clock", offset="utc")
    for event, then in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        _text(root, event, then)
    _devices(root, new, agent=agent)
    return root


def _os(root: etree._Element, new: NewGuest) -> None:
    os = etree.SubElement(root, "os")
    if new.uefi:
        os.set("firmware", "efi")
    machine = {"machine": new.offer.machine} if new.offer.machine else {}
    _text(os, "type", _OS_TYPES.get(new.offer.os_type, new.offer.os_type), arch=new.offer.arch, **machine)
    if new.kernel:
        _text(os, "kernel", new.kernel)
        if new.initrd:
            _text(os, "initrd", new.initrd)
        if new.cmdline:
            _text(os, "cmdline", new.cmdline)
    elif not new.is_para:
        etree.SubElement(os, "boot", dev="hd")  # first: once a system is installed, it boots
        if any(disk.device == "cdrom" for disk in new.disks):
            etree.SubElement(os, "boot", dev="cdrom")


def _cpu_mode(offer: Offer) -> str:
    """One that a migration can check, else the host's own; in software all that QEMU can: many systems need it."""
    wanted = {"kvm": ("host-model", "host-passthrough"), "qemu": ("maximum",)}.get(offer.domain_type, ())
    return next((mode for mode in wanted if mode in offer.cpu_modes), "")


def _devices(root: etree._Element, new: NewGuest, *, agent: bool) -> None:
    devices = etree.SubElement(root, "devices")
    is_qemu = new.offer.domain_type in _QEMU
    targets = _Targets(new)
    for disk in new.disks:
        device = targets.device_for(disk)
        bus, target = targets.next_for(device)
        readonly = disk.readonly or device == "cdrom"
        found = Disk(target, device, bus, disk.kind, disk.path, disk.format, readonly)
        devices.append(disk_element(found, root))
    if new.offer.machine in _PCIE:
        etree.SubElement(devices, "controller", type="usb", model="qemu-xhci")
        etree.SubElement(devices, "controller", type="pci", model="pcie-root")
        for _port in range(SPARE_PORTS):
            etree.SubElement(devices, "controller", type="pci", model="pcie-root-port")
    for nic in new.nics:
        devices.append(nic_element(nic))
    if new.is_para:
        etree.SubElement(etree.SubElement(devices, "console", type="pty"), "target", type="xen")
    else:
        etree.SubElement(etree.SubElement(devices, "serial", type="pty"), "target", port="0")
        etree.SubElement(etree.SubElement(devices, "console", type="pty"), "target", type="serial", port="0")
    etree.SubElement(devices, "graphics", type="vnc")
    if is_qemu:
        _qemu_devices(devices, new, agent=agent)


def _qemu_devices(devices: etree._Element, new: NewGuest, *, agent: bool) -> None:
    etree.SubElement(devices, "input", type="tablet", bus="usb")  # with a mouse the two pointers drift apart
    model = "virtio" if "virtio" in new.offer.video_models and not new.emulated else "vga"
    etree.SubElement(etree.SubElement(devices, "video"), "model", type=model)
    balloon = etree.SubElement(devices, "memballoon", model="virtio")
    etree.SubElement(balloon, "stats", period=str(STATS_SECONDS))
    rng = etree.SubElement(devices, "rng", model="virtio")
    _text(rng, "backend", "/dev/urandom", model="random")
    if agent:
        channel = etree.SubElement(devices, "channel", type="unix")
        etree.SubElement(channel, "target", type="virtio", name="org.qemu.guest_agent.0")


class _Targets:
    """Hands out targets: vda, vdb … for disks, sda … for CD-ROMs, as the hypervisor has them."""

    def __init__(self, new: NewGuest) -> None:
        if new.is_para:
            self._kinds = {"disk": ("xen", "xvd"), "cdrom": ("xen", "xvd")}
        elif new.offer.domain_type == "xen":
            self._kinds = {"disk": ("ide", "hd"), "cdrom": ("ide", "hd")}  # its firmware boots from no other
        else:
            plain = _PLAIN.get(new.offer.machine, ("scsi", "sd"))
            self._kinds = {"disk": plain if new.emulated else ("virtio", "vd"), "cdrom": plain}
        self._used: dict[str, int] = {}

    def device_for(self, disk: NewDisk) -> str:
        """A disk or a CD-ROM: on some buses QEMU has no disks that are only read."""
        return "cdrom" if disk.readonly and self._kinds["disk"][0] in _ALL_WRITTEN else disk.device

    def next_for(self, device: str) -> tuple[str, str]:
        """Bus and target of the next one."""
        bus, prefix = self._kinds[device]
        number = self._used.get(prefix, 0)
        self._used[prefix] = number + 1
        return bus, prefix + string.ascii_lowercase[number]


def _text(parent: etree._Element, name: str, text: str, **attributes: str) -> None:
    etree.SubElement(parent, name, attributes).text = text
