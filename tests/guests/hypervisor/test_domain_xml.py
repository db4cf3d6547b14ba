"""Domain XML → Definition, on what QEMU's and Xen's drivers print."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from guests.hypervisor.domain_xml import UnreadableDefinition, parse_definition, parse_screens
from guests.resources import NIC, Definition, Disk, Graphics, Memory, TextConsole, VCPUs, Virtualisation

SAMPLES = Path(__file__).parent / "samples"


def sample(name: str) -> Definition:
    return parse_definition((SAMPLES / f"{name}.xml").read_text())


def test_reads_names_and_sizes_of_a_running_guest() -> None:
    guest = sample("qemu-running")
    assert (guest.uuid, guest.name) == (UUID("5f3c1b0e-0000-4000-8000-000000000001"), "web-1")
    assert (guest.title, guest.description) == ("The shop", "Serves the shop.\nAsk Ana.")
    assert guest.memory == Memory(current_kib=1048576, maximum_kib=2097152)  # not <maxMemory>, the hotplug ceiling
    assert guest.vcpus == VCPUs(current=2, maximum=4)
    assert (guest.virtualisation, guest.domain_type, guest.machine) == (Virtualisation.FULL, "kvm", "pc-q35-7.2")
    assert (guest.firmware, guest.balloon, guest.stats_period_s) == ("UEFI", True, 5)


def test_reads_each_kind_of_disk_and_an_empty_drive() -> None:
    assert sample("qemu-running").disks == (
        Disk("vda", "disk", "virtio", "file", "/var/lib/libvirt/images/web-1.qcow2", "qcow2", backing=("/base.img",)),
        Disk("sda", "lun", "scsi", "block", "/dev/mapper/lun 1", "raw", shareable=True),
        Disk("hda", "cdrom", "sata", "", "", "raw", readonly=True),
        Disk("vdb", "disk", "virtio", "volume", "default/data", "raw"),
        Disk("vdc", "disk", "virtio", "network", "rbd://ceph.example:6789/pool/image", "raw"),
    )


def test_reads_nics_with_lower_case_addresses_and_the_network_they_are_on() -> None:
    assert sample("qemu-running").nics == (
        NIC("52:54:00:ab:cd:ef", "network", "default", "virtio", "vnet3"),
        NIC("52:54:00:00:00:02", "bridge", "br0", "e1000", "vnet4", link_up=False),
        NIC("52:54:00:00:00:03", "user", "", "virtio", ""),
    )


def test_lists_the_serial_device_that_is_also_a_console_once() -> None:
    assert sample("qemu-running").text_consoles == (
        TextConsole("serial0", "serial0", "isa-serial", pty=True),
        TextConsole("serial1", "ua-log", "isa-serial", pty=False),
        TextConsole("console1", "console1", "virtio", pty=True),
    )


@pytest.mark.parametrize(
    ("channel", "shares"),
    [
        ("<channel type='qemu-vdagent'><source><clipboard copypaste='yes'/></source></channel>", True),
        ("<channel type='qemu-vdagent'><source><clipboard copypaste='no'/></source></channel>", False),
        ("<channel type='qemu-vdagent'><target type='virtio' name='com.redhat.spice.0'/></channel>", False),
        ("<channel type='unix'><source><clipboard copypaste='yes'/></source></channel>", False),
        ("", False),
    ],
)
def test_reads_whether_the_guest_may_share_its_clipboard(channel: str, shares: bool) -> None:
    assert bare(devices=channel).shares_clipboard is shares


def test_reads_where_each_graphics_device_listens() -> None:
    assert sample("qemu-running").graphics == (
        Graphics("vnc", "address", "127.0.0.1", 5901),
        Graphics("spice", "address", "0.0.0.0", None, 5903),
        Graphics("vnc", "socket", None, None, None, "/run/vnc.sock"),
    )


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.xml")), ids=lambda path: path.stem)
def test_the_screens_alone_are_read_alike(path: Path) -> None:
    assert parse_screens(path.read_text()) == parse_definition(path.read_text()).graphics


def test_domain_0_is_para_virtualised_without_devices() -> None:
    guest = sample("xen-domain-0")
    assert guest.uuid.int == 0
    assert guest.virtualisation is Virtualisation.PARA
    assert guest.memory == Memory(1048576, 1048576)
    assert guest.vcpus == VCPUs(1, 1)
    assert guest.balloon
    assert not guest.disks + guest.nics + guest.text_consoles + guest.graphics


def test_a_xen_pv_console_is_opened_as_the_default() -> None:
    guest = sample("xen-pv")
    assert (guest.virtualisation, guest.firmware) == (Virtualisation.PARA, "")
    assert guest.text_consoles == (TextConsole("console0", None, "xen", pty=True),)


def test_a_xen_pvh_guest_is_told_apart() -> None:
    guest = sample("xen-pvh")
    assert guest.virtualisation is Virtualisation.PVH
    assert guest.text_consoles == (TextConsole("console0", None, "xen", pty=True),)
    assert guest.disks == (Disk("xvda", "disk", "xen", "block", "/dev/vg/pvh-1", "raw"),)
    assert guest.nics == (NIC("00:16:3e:00:00:01", "bridge", "xenbr0", "", ""),)


def test_a_fully_virtualised_xen_guest_has_its_serial_device_as_the_default() -> None:
    guest = sample("xen-hvm")
    assert (guest.virtualisation, guest.firmware) == (Virtualisation.FULL, "BIOS")
    assert guest.text_consoles == (TextConsole("serial0", None, "isa-serial", pty=True),)


BARE = (
    "<domain type='{type}'><name>x</name><uuid>5f3c1b0e-0000-4000-8000-000000000001</uuid>"
    "{memory}<os{os}><type>{os_type}</type>{loader}</os><devices>{devices}</devices></domain>"
)


def bare(**parts: str) -> Definition:
    defaults = {
        "type": "kvm",
        "os": "",
        "os_type": "hvm",
        "loader": "",
        "devices": "",
        "memory": "<memory>1024</memory>",
    }
    return parse_definition(BARE.format(**{**defaults, **parts}))


@pytest.mark.parametrize(
    ("os", "loader", "firmware"),
    [
        ("", "", "BIOS"),
        (" firmware='bios'", "", "BIOS"),
        (" firmware='efi'", "", "UEFI"),
        ("", "<loader type='pflash'>/x.fd</loader>", "UEFI"),
        ("", "<loader>/usr/share/ovmf/OVMF.fd</loader>", "UEFI"),
        ("", "<loader type='rom'>/usr/lib/xen/hvmloader</loader>", "BIOS"),
    ],
)
def test_tells_the_firmware(os: str, loader: str, firmware: str) -> None:
    assert bare(os=os, loader=loader).firmware == firmware


@pytest.mark.parametrize(
    ("memory", "kib"),
    [
        ("<memory unit='KiB'>2048</memory>", 2048),
        ("<memory>2048</memory>", 2048),
        ("<memory unit='MiB'>3</memory>", 3072),
        ("<memory unit='GiB'>1</memory>", 1048576),
        ("<memory unit='b'>1025</memory>", 2),
        ("<memory unit='MB'>1</memory>", 977),
    ],
)
def test_reads_every_unit_of_memory(memory: str, kib: int) -> None:
    assert bare(memory=memory).memory == Memory(kib, kib)


@pytest.mark.parametrize(
    ("devices", "type_", "balloon"),
    [
        ("", "kvm", False),
        ("<memballoon model='none'/>", "kvm", False),
        ("<memballoon model='virtio'/>", "kvm", True),
        ("<memballoon model='virtio-transitional'/>", "kvm", True),
        ("", "xen", True),
    ],
)
def test_tells_whether_there_is_a_balloon(devices: str, type_: str, balloon: bool) -> None:
    assert bare(devices=devices, type=type_).balloon is balloon


@pytest.mark.parametrize("port", ["-1", "0", "65536", "99999999999999999999", "٣", "x", ""])
def test_a_port_that_is_none_yet_is_unknown(port: str) -> None:
    assert bare(devices=f"<graphics type='vnc' port='{port}'/>").graphics[0].port is None


def test_tells_that_there_is_a_password_and_never_which() -> None:
    graphics = bare(devices="<graphics type='vnc' passwd='secret'/>").graphics[0]
    assert graphics.has_password
    assert "secret" not in repr(graphics)


@pytest.mark.parametrize(
    "parts",
    [
        {"os_type": "vax"},
        {"memory": ""},
        {"memory": "<memory>-1</memory>"},
        {"memory": "<memory unit='furlong'>1</memory>"},
        {"memory": "<memory>1e3</memory>"},
        {"memory": f"<memory>{'9' * 30}</memory>"},
        {"memory": "<memory>1024</memory><vcpu current='x'>2</vcpu>"},
    ],
)
def test_what_is_no_definition_is_refused(parts: dict[str, str]) -> None:
    with pytest.raises(UnreadableDefinition):
        bare(**parts)
