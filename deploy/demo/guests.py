"""The three demo guests: names, sizes and their definitions."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from xml.etree import ElementTree

TEMPLATE = Path(__file__).with_name("guest.xml")
DISK_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class DemoGuest:
    """One guest: memory in KiB and vCPUs, current of maximum."""

    name: str
    uuid: str
    mac: str
    address: str
    current_kib: int
    maximum_kib: int
    vcpus: int
    maximum_vcpus: int
    running: bool
    autostart: bool = False


GUESTS = (
    DemoGuest(
        name="web-1",
        uuid="6e5f1a52-8a51-4a0e-9d3b-4c2f9be10001",
        mac="52:54:00:77:00:01",
        address="10.77.0.1",
        current_kib=256 * 1024,
        maximum_kib=512 * 1024,
        vcpus=1,
        maximum_vcpus=4,
        running=True,
        autostart=True,
    ),
    DemoGuest(
        name="db-1",
        uuid="6e5f1a52-8a51-4a0e-9d3b-4c2f9be10002",
        mac="52:54:00:77:00:02",
        address="10.77.0.2",
        current_kib=192 * 1024,
        maximum_kib=384 * 1024,
        vcpus=1,
        maximum_vcpus=2,
        running=True,
    ),
    DemoGuest(
        name="backup-1",
        uuid="6e5f1a52-8a51-4a0e-9d3b-4c2f9be10003",
        mac="52:54:00:77:00:03",
        address="10.77.0.3",
        current_kib=128 * 1024,
        maximum_kib=256 * 1024,
        vcpus=1,
        maximum_vcpus=3,
        running=False,
    ),
)


class Nic(Enum):
    """How the NIC is connected: a virtual network has statistics, a user NIC has none."""

    NETWORK = "network"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Layout:
    """The directory of kernel, initrd and disks: where it lies, and what libvirt calls it."""

    real: Path
    seen: Path

    def copy_image(self, image: Path) -> None:
        """Put kernel, initrd and the CD-ROM's medium there."""
        for name in ("vmlinuz", "initrd.gz"):
            shutil.copyfile(image / name, self.real / name)
            (self.real / name).chmod(0o644)
        medium = self.real / "demo.iso"
        if not medium.exists():
            with medium.open("wb") as file:
                os.truncate(file.fileno(), 2**20)
            medium.chmod(0o644)

    def make_disk(self, guest: DemoGuest) -> None:
        """An empty disk (raw, sparse), unless the guest has one from before."""
        disk = self.real / f"{guest.name}.img"
        if not disk.exists():
            with disk.open("wb") as file:
                os.truncate(file.fileno(), DISK_BYTES)


def definition(guest: DemoGuest, layout: Layout, nic: Nic) -> str:
    """The domain XML of a guest, from guest.xml beside this file."""
    root = ElementTree.parse(TEMPLATE).getroot()
    _text(root, "name", guest.name)
    _text(root, "uuid", guest.uuid)
    _text(root, "memory", str(guest.maximum_kib))
    _text(root, "currentMemory", str(guest.current_kib))
    _text(root, "vcpu", str(guest.maximum_vcpus)).set("current", str(guest.vcpus))
    _text(root, "os/kernel", str(layout.seen / "vmlinuz"))
    _text(root, "os/initrd", str(layout.seen / "initrd.gz"))
    _text(
        root,
        "os/cmdline",
        f"console=ttyS0 console=tty1 quiet guest={guest.name} address={guest.address}",
    )
    _find(root, "devices/disk[@device='disk']/source").set("file", str(layout.seen / f"{guest.name}.img"))
    if guest.autostart:
        cdrom = _find(root, "devices/disk[@device='cdrom']")
        ElementTree.SubElement(cdrom, "source", file=str(layout.seen / "demo.iso"))
    interface = _find(root, "devices/interface")
    interface.set("type", nic.value)
    _find(interface, "mac").set("address", guest.mac)
    if nic is Nic.NETWORK:
        ElementTree.SubElement(interface, "source", network="demo")
    return ElementTree.tostring(root, encoding="unicode")


def _find(root: ElementTree.Element, path: str) -> ElementTree.Element:
    found = root.find(path)
    assert found is not None, path
    return found


def _text(root: ElementTree.Element, path: str, text: str) -> ElementTree.Element:
    element = _find(root, path)
    element.text = text
    return element
