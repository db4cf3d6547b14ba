"""Definitions of new guests: what the hypervisors get, and that nothing of what was typed becomes XML."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from guests.errors import OperationRefused
from guests.hypervisor.capabilities import Offer
from guests.hypervisor.connection import open_connection
from guests.hypervisor.domain_xml import parse_definition
from guests.hypervisor.new_guest import NewDisk, NewGuest, define_guest, definition_of, has_guest_named, undefine_guest
from guests.hypervisor.reading import get_guest
from guests.resources import NIC, Definition, Memory, VCPUs, Virtualisation
from tests.labs.host_xml import HostXml

UUID_1 = UUID("5f3c1b0e-0000-4000-8000-000000000c01")
KVM = Offer(
    "hvm", "kvm", "x86_64", "q35", 255, ("BIOS", "UEFI"), ("host-passthrough", "host-model"), (), ("vga", "virtio")
)
DISK, ISO = NewDisk("/pool/web-9.qcow2", "file", "qcow2"), NewDisk("/pool/debian.iso", "file", "raw", "cdrom")
NIC_1 = NIC("52:54:00:00:00:01", "network", "default", "virtio", "")
NEW = NewGuest("web-9", UUID_1, KVM, Memory(512 * 1024, 1024 * 1024), VCPUs(1, 4), (DISK, ISO), (NIC_1,))


def built(new: NewGuest) -> tuple[etree._Element, Definition]:
    tree = definition_of(new)
    return tree, parse_definition(etree.tostring(tree, encoding="unicode"))


def test_a_guest_of_kvm() -> None:
    tree, found = built(NEW)
    assert (found.name, found.uuid, found.domain_type, found.machine) == ("web-9", UUID_1, "kvm", "q35")
    assert (found.memory, found.vcpus) == (NEW.memory, NEW.vcpus)
    assert [(disk.target, disk.bus, disk.format, disk.readonly) for disk in found.disks] == [
        ("vda", "virtio", "qcow2", False),
        ("sda", "sata", "raw", True),
    ]
    assert found.nics == (NIC_1,)
    assert [console.device for console in found.text_consoles] == ["serial0"]
    assert [graphics.kind for graphics in found.graphics] == ["vnc"]
    assert (found.balloon, found.stats_period_s, found.firmware) == (True, 5, "BIOS")
    assert tree.find("cpu[@mode='host-model']") is not None
    assert [boot.get("dev") for boot in tree.iterfind("os/boot")] == ["hd", "cdrom"]
    assert tree.find("devices/channel/target[@name='org.qemu.guest_agent.0']") is not None
    assert tree.find("devices/video/model[@type='virtio']") is not None
    assert definition_of(NEW, agent=False).find("devices/channel") is None


def test_software_emulation_has_no_cpu_of_the_host() -> None:
    tree, _found = built(replace(NEW, offer=replace(KVM, domain_type="qemu")))
    assert tree.find("cpu") is None
    tree, _found = built(replace(NEW, offer=replace(KVM, domain_type="qemu", cpu_modes=("maximum", "host-model"))))
    assert tree.find("cpu").get("mode") == "maximum"  # type: ignore[union-attr]


def test_what_has_no_drivers_gets_devices_that_everything_knows() -> None:
    tree, found = built(replace(NEW, emulated=True, disks=(DISK, ISO)))
    assert [(disk.target, disk.bus) for disk in found.disks] == [("sda", "sata"), ("sdb", "sata")]
    assert tree.find("devices/video/model[@type='vga']") is not None


@pytest.mark.parametrize(("emulated", "seed"), [(False, ("vdb", "virtio", "disk")), (True, ("sdb", "sata", "cdrom"))])
def test_a_disk_that_is_only_read_is_a_medium_where_there_are_no_such_disks(emulated: bool, seed: object) -> None:
    only_read = NewDisk("/pool/web-9-seed.iso", "file", "raw", readonly=True)
    _tree, found = built(replace(NEW, emulated=emulated, disks=(DISK, only_read)))
    disk = found.disks[1]
    assert ((disk.target, disk.bus, disk.device), disk.readonly) == (seed, True)


def test_uefi_is_chosen_by_name() -> None:
    tree, found = built(replace(NEW, uefi=True))
    assert found.firmware == "UEFI"
    assert tree.find("os").get("firmware") == "efi"  # type: ignore[union-attr]


def test_a_block_device_is_a_block_device() -> None:
    _tree, found = built(replace(NEW, disks=(NewDisk("/dev/vg/web-9", "block", "raw"),)))
    assert (found.disks[0].source_kind, found.disks[0].source) == ("block", "/dev/vg/web-9")


def test_a_para_virtualised_guest_of_xen_boots_a_kernel() -> None:
    offer = Offer("xen", "xen", "x86_64", "xenpv")
    new = replace(NEW, offer=offer, disks=(DISK,), kernel="/pool/vmlinuz", initrd="/pool/initrd.gz", cmdline="quiet")
    tree, found = built(new)
    assert found.virtualisation == Virtualisation.PARA
    assert tree.findtext("os/type") == "linux"
    assert [(disk.target, disk.bus) for disk in found.disks] == [("xvda", "xen")]
    assert tree.findtext("os/kernel") == "/pool/vmlinuz"
    assert tree.find("features") is None
    assert tree.find("devices/video") is None
    assert [console.target for console in found.text_consoles] == ["xen"]
    assert [graphics.kind for graphics in found.graphics] == ["vnc"]


def test_a_fully_virtualised_guest_of_xen_boots_from_what_its_firmware_knows() -> None:
    tree, found = built(replace(NEW, offer=Offer("hvm", "xen", "x86_64", "xenfv", firmwares=("BIOS",))))
    assert found.virtualisation == Virtualisation.FULL
    assert [(disk.target, disk.bus) for disk in found.disks] == [("hda", "ide"), ("hdb", "ide")]
    assert tree.find("devices/memballoon") is None  # Xen's own


@pytest.mark.parametrize(
    "name",
    ["", "..", "-rf", ".hidden", "_x", "a b", "a\tb", "a\n", "a/b", "../a", "é", "a\u202eb", "a\x9bb", "a" * 64, "<b>"],
)
def test_E3_a_name_that_is_not_plain_is_never_made(name: str) -> None:
    with pytest.raises(OperationRefused, match="A name has letters") as refusal:
        definition_of(replace(NEW, name=name))
    assert refusal.value.field == "name"


@pytest.mark.parametrize("name", ["a", "9", "web-1", "Web_1.example.org", "a" * 63])
def test_E3_a_plain_name_is_made(name: str) -> None:
    assert built(replace(NEW, name=name))[1].name == name


LEGAL = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1)


@given(path=LEGAL, cmdline=LEGAL, network=LEGAL)
def test_any_text_stays_text_and_adds_no_element(path: str, cmdline: str, network: str) -> None:
    plain, _found = built(replace(NEW, kernel="/k", cmdline="c"))
    nic = replace(NIC_1, source=network)
    tree, _found = built(replace(NEW, disks=(replace(DISK, path=path), ISO), nics=(nic,), kernel="/k", cmdline=cmdline))
    again = etree.fromstring(etree.tostring(tree, encoding="unicode"))
    assert [element.tag for element in again.iter()] == [element.tag for element in plain.iter()]
    assert again.findtext("os/cmdline") == cmdline
    assert again.find("devices/disk/source").get("file") == path  # type: ignore[union-attr]
    assert again.find("devices/interface/source").get("network") == network  # type: ignore[union-attr]


def test_a_host_gets_and_forgets_a_guest(host_xml: HostXml) -> None:
    connection = open_connection(host_xml.uri)
    try:
        offer = Offer("hvm", "test", "i686", "", firmwares=("BIOS",))
        new = replace(NEW, offer=offer)
        define_guest(connection, new)
        found = get_guest(connection, UUID_1).definition
        assert (found.name, found.memory, found.vcpus) == ("web-9", NEW.memory, NEW.vcpus)
        assert found.graphics[0].address == "127.0.0.1"
        assert not found.graphics[0].is_exposed
        assert has_guest_named(connection, "web-9")
        with pytest.raises(OperationRefused):
            define_guest(connection, replace(new, uuid=UUID("5f3c1b0e-0000-4000-8000-000000000c02")))
        undefine_guest(connection, new)
        assert not has_guest_named(connection, "web-9")
    finally:
        connection.close()
