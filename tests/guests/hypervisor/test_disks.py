"""Disks of the next boot, and what is refused, on libvirt's test driver; what runs is tested on real guests."""

from __future__ import annotations

import libvirt
import pytest
from lxml import etree

from guests.errors import NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.device_xml import parse_disk
from guests.hypervisor.disks import (
    _missing_controller,
    add_disk,
    change_medium,
    disk_capacity,
    disk_element,
    grow_disk,
    remove_disk,
)
from guests.hypervisor.reading import get_guest
from guests.hypervisor.xml_document import parse_document
from guests.inventory.definition_json import definition_from_json, definition_to_json
from guests.resources import Disk
from tests.guests.hypervisor.conftest import RUNNING, SHUT_OFF

DATA = Disk("vdb", "disk", "virtio", "file", "/pool/data.qcow2", "qcow2", cache="none", serial="D-1")
DRIVE = Disk("hda", "cdrom", "ide", "", "", "raw", readonly=True)


def next_boot(host: Connection) -> etree._Element:
    xml = host.raw.lookupByUUIDString(str(SHUT_OFF)).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    return parse_document(xml)


def disks(host: Connection) -> tuple[Disk, ...]:
    guest = get_guest(host, SHUT_OFF)
    assert guest.next_boot is not None
    return guest.next_boot.disks


def test_a_disk_is_added_to_the_next_boot_with_its_format_said_and_taken_out_again(host: Connection) -> None:
    add_disk(host, SHUT_OFF, DATA, live=False)
    assert disks(host) == (DATA,)
    remove_disk(host, SHUT_OFF, "vdb", live=False)
    assert disks(host) == ()


def test_a_block_device_a_read_only_and_a_shareable_disk(host: Connection) -> None:
    lun = Disk("sda", "disk", "scsi", "block", "/dev/vg/data", "raw", shareable=True)
    fixed = Disk("vdb", "disk", "virtio", "file", "/pool/fixed", "raw", readonly=True)
    add_disk(host, SHUT_OFF, lun, live=False)
    add_disk(host, SHUT_OFF, fixed, live=False)
    assert set(disks(host)) == {lun, fixed}


def test_the_first_scsi_disk_brings_the_controller_that_guests_have_a_driver_for(host: Connection) -> None:
    for target in ("sda", "sdb"):
        add_disk(host, SHUT_OFF, Disk(target, "disk", "scsi", "file", f"/pool/{target}", "raw"), live=False)
    controllers = next_boot(host).findall("devices/controller[@type='scsi']")
    assert [controller.get("model") for controller in controllers] == ["virtio-scsi"]


def test_a_medium_is_put_in_exchanged_and_taken_out(host: Connection) -> None:
    add_disk(host, SHUT_OFF, DRIVE, live=False)
    for path in ("/pool/one.iso", "/pool/two.iso"):
        medium = Disk("hda", "cdrom", "ide", "file", path, "raw", readonly=True)
        change_medium(host, SHUT_OFF, medium, live=False)
        assert disks(host) == (medium,)
    change_medium(host, SHUT_OFF, DRIVE, live=False)
    assert disks(host) == (DRIVE,)


def test_what_names_no_disk_of_the_guest_is_refused(host: Connection) -> None:
    with pytest.raises(OperationRefused, match="has no disk vdz"):
        remove_disk(host, SHUT_OFF, "vdz", live=False)
    with pytest.raises(OperationRefused, match="has no disk vdz"):
        remove_disk(host, RUNNING, "vdz", live=True)
    with pytest.raises(OperationRefused):
        disk_capacity(host, RUNNING, "vdz")


def test_a_source_that_lies_in_the_network_is_refused(host: Connection) -> None:
    with pytest.raises(OperationRefused, match="kind"):
        add_disk(host, SHUT_OFF, Disk("vdb", "disk", "virtio", "network", "rbd:///a", "raw"), live=False)
    assert disks(host) == ()


def test_a_driver_that_cannot_says_so(host: Connection) -> None:
    with pytest.raises(NotSupported):
        grow_disk(host, RUNNING, "vda", 2**30)
    with pytest.raises(NotSupported):
        add_disk(host, RUNNING, DATA, live=True)


def test_the_chain_below_a_disk_and_an_open_tray_are_read_and_kept() -> None:
    running = parse_document("""
        <disk type='file' device='disk'>
          <driver name='qemu' type='qcow2' cache='default'/>
          <source file='/pool/top'/>
          <backingStore type='file'><format type='qcow2'/><source file='/pool/middle'/>
            <backingStore type='block'><format type='raw'/><source dev='/dev/vg/base'/><backingStore/></backingStore>
          </backingStore>
          <target dev='hdb' bus='ide' tray='open'/>
        </disk>""")
    disk = parse_disk(running)
    assert disk.backing == ("/pool/middle", "/dev/vg/base")
    assert (disk.tray_open, disk.cache) == (True, "")


def test_a_chain_survives_the_rows(host: Connection) -> None:
    definition = get_guest(host, RUNNING).definition
    kept = definition_to_json(definition)
    kept["disks"][0]["backing"] = ["/pool/base"]
    again = definition_from_json(kept)
    assert again.disks[0].backing == ("/pool/base",)
    assert definition_to_json(again) == kept
    for name in ("backing", "cache", "serial", "tray_open"):
        del kept["disks"][0][name]  # as an older version wrote it
    assert definition_from_json(kept) == definition


@pytest.mark.parametrize(
    ("kind", "format", "driver"), [("file", "qcow2", "qemu"), ("file", "raw", "qemu"), ("block", "raw", "phy")]
)
def test_xen_s_driver_is_told_who_reads_the_format(kind: str, format: str, driver: str) -> None:
    root = parse_document("<domain type='xen'><devices/></domain>")
    element = disk_element(Disk("xvdb", "disk", "xen", kind, "/pool/data", format), root)
    found = element.find("driver")
    assert found is not None
    assert (found.get("name"), found.get("type")) == (driver, format)
    assert _missing_controller(root, Disk("sda", "disk", "scsi", kind, "/pool/data", format)) is None
