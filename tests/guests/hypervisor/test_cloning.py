"""The definition of a clone: what is new in it, what is its source's. A pure function of a tree."""

from __future__ import annotations

from uuid import UUID

from lxml import etree

from guests.hypervisor.cloning import Base, ClonedDisk, make_clone
from guests.hypervisor.domain_xml import parse_definition

SOURCE = """<domain type="kvm"><name>web-1</name><uuid>5f3c1b0e-0000-4000-8000-000000000001</uuid>
<genid>5f3c1b0e-0000-4000-8000-0000000000aa</genid><title>Shop</title>
<memory unit="KiB">524288</memory><vcpu>2</vcpu>
<sysinfo type="smbios"><system><entry name="uuid">5f3c1b0e-0000-4000-8000-000000000001</entry></system></sysinfo>
<os firmware="efi"><type arch="x86_64">hvm</type>
  <nvram template="/usr/share/OVMF_VARS.fd">/var/lib/libvirt/qemu/nvram/web-1_VARS.fd</nvram></os>
<devices>
  <disk type="block" device="disk"><driver name="qemu" type="raw" cache="none"/>
    <source dev="/dev/vg0/web"/><target dev="vda" bus="virtio"/><boot order="1"/></disk>
  <disk type="volume" device="disk"><source pool="images" volume="data.qcow2"/><target dev="vdb"/></disk>
  <disk type="file" device="cdrom"><source file="/iso/install.iso"/><target dev="sda"/><readonly/></disk>
  <interface type="network"><mac address="52:54:00:00:00:01"/><source network="lan"/><target dev="web0"/></interface>
  <interface type="bridge"><source bridge="br0"/></interface>
  <serial type="pty"><log file="/var/log/web-1.log"/><target port="0"/></serial>
  <channel type="unix"><source mode="bind" path="/run/web-1.agent"/><target type="virtio" name="agent"/></channel>
  <graphics type="vnc" port="5999" autoport="no"><listen type="address" address="127.0.0.1"/></graphics>
  <graphics type="vnc"><listen type="socket" socket="/run/web-1.vnc"/></graphics>
  <vsock><cid auto="no" address="7"/></vsock>
</devices></domain>"""
UUID_OF_CLONE = UUID("5f3c1b0e-0000-4000-8000-0000000000ff")


def cloned() -> etree._Element:
    root = etree.fromstring(SOURCE)
    make_clone(
        root,
        uuid=UUID_OF_CLONE,
        name="web-2",
        macs=["52:54:00:00:00:11", "52:54:00:00:00:12"],
        disks={
            "vda": ClonedDisk("file", "/images/web-2-vda.qcow2", "qcow2", Base("block", "/dev/vg0/web", "raw", True)),
            "vdb": ClonedDisk("file", "/images/web-2-vdb.qcow2", "qcow2"),
        },
    )
    return root


def test_a_clone_has_an_identity_and_macs_of_its_own() -> None:
    definition = parse_definition(etree.tostring(cloned(), encoding="unicode"))
    assert (definition.name, definition.uuid, definition.title) == ("web-2", UUID_OF_CLONE, "Shop")
    assert [nic.mac for nic in definition.nics] == ["52:54:00:00:00:11", "52:54:00:00:00:12"]
    assert cloned().findtext("sysinfo/system/entry") == str(UUID_OF_CLONE)
    assert cloned().findtext("genid") != etree.fromstring(SOURCE).findtext("genid")


def test_its_disks_are_its_own_with_their_formats_named_and_media_are_shared() -> None:
    vda, vdb, cdrom = parse_definition(etree.tostring(cloned(), encoding="unicode")).disks
    assert (vda.source_kind, vda.source, vda.format) == ("file", "/images/web-2-vda.qcow2", "qcow2")
    assert (vda.backing, vda.cache, vdb.backing) == (("/dev/vg0/web",), "none", ())
    assert (vdb.source_kind, vdb.source, vdb.format) == ("file", "/images/web-2-vdb.qcow2", "qcow2")
    assert cdrom.source == "/iso/install.iso"
    below = cloned().find("devices/disk/backingStore")
    assert below is not None
    assert below.find("format[@type='raw']") is not None
    assert below.find("backingStore") is not None, "the chain ends there: nobody looks further"


def test_nothing_that_two_guests_cannot_both_have_is_taken_along() -> None:
    text = etree.tostring(cloned(), encoding="unicode")
    for mine in ("web-1", "5999", "/run/", "52:54:00:00:00:01", "web0", 'address="7"', "_VARS.fd</nvram>"):
        assert mine not in text, mine
    assert 'template="/usr/share/OVMF_VARS.fd"' in text
    assert cloned().find("devices/graphics[@autoport='yes']") is not None
