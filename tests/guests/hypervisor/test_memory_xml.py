"""Room for memory and memory devices: XML → values, and values → XML on libvirt's test driver."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID
from xml.etree import ElementTree

import libvirt
import pytest

from guests.errors import OperationRefused
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.domain_xml import parse_definition
from guests.hypervisor.memory_devices import plug_in, request, take_out
from guests.hypervisor.memory_room import make_room, take_room_away
from guests.hypervisor.reading import get_guest
from guests.hypervisor.resizing import set_current_memory, set_maximum_memory, set_maximum_vcpus
from guests.inventory.definition_json import definition_from_json, definition_to_json
from guests.resources import Definition, Hotplug, Memory, MemoryDevice, NUMACell
from tests.labs.host_xml import HostXml

MIB = 1024
LIVE_XML = """
<domain type='kvm' id='3'><name>x</name><uuid>5f3c1b0e-0000-4000-8000-000000000001</uuid>
  <maxMemory slots='16' unit='GiB'>8</maxMemory>
  <memory unit='KiB'>{memory}</memory><currentMemory unit='KiB'>{current}</currentMemory><vcpu>4</vcpu>
  <os><type>hvm</type></os>
  <cpu><numa><cell id='0' cpus='0-2,3' memory='1' unit='GiB'/></numa></cpu>
  <devices>
    <memory model='dimm'><target><size unit='MiB'>512</size><node>0</node></target>
      {dimm}<address type='dimm' slot='2' base='0x100000000'/></memory>
    <memory model='virtio-mem'><target><size unit='KiB'>1048576</size><node>0</node><block unit='KiB'>2048</block>
      <requested unit='KiB'>524288</requested>{taken}</target></memory>
  </devices>
</domain>"""


def test_reads_room_cells_and_devices_of_a_running_guest() -> None:
    xml = LIVE_XML.format(
        memory=2560 * MIB,
        current=1664 * MIB,
        dimm="<alias name='ua-dimm-1'/>",
        taken="<current unit='KiB'>131072</current>",
    )
    found = parse_definition(xml)
    assert found.hotplug == Hotplug(
        ceiling_kib=8192 * MIB,
        slots=16,
        cells=(NUMACell("0-3", 1024 * MIB),),
        devices=(
            MemoryDevice("ua-dimm-1", "dimm", 512 * MIB),
            MemoryDevice("virtiomem0", "virtio-mem", 1024 * MIB, 2 * MIB, 512 * MIB, 128 * MIB),
        ),
    )
    assert found.memory == Memory(1664 * MIB, 2560 * MIB)  # libvirt counts what was taken already
    assert (found.hotplug.plugged_kib, found.hotplug.idle_kib) == (1536 * MIB, 896 * MIB)
    assert (found.hotplug.in_parts_kib, found.hotplug.free_slots) == (128 * MIB, 14)
    assert definition_from_json(definition_to_json(found)) == found


def test_what_a_next_boot_requests_of_virtio_mem_is_current_memory_too() -> None:
    found = parse_definition(LIVE_XML.format(memory=2560 * MIB, current=1024 * MIB, dimm="", taken=""))
    assert found.memory == Memory(1536 * MIB, 2560 * MIB)
    assert [device.name for device in found.hotplug.devices] == ["dimm2", "virtiomem0"]  # what libvirt will call them


def test_a_definition_of_before_hotplug_was_known_is_read() -> None:
    found = definition_to_json(parse_definition(LIVE_XML.format(memory=1, current=1, dimm="", taken="")))
    del found["hotplug"]
    assert definition_from_json(found).hotplug == Hotplug()


@pytest.fixture
def connection(host_xml: HostXml) -> Iterator[Connection]:
    host_xml.add_guest("off-1", uuid=OFF, running=False)  # 256 of 512 MiB, 1 of 4 vCPUs
    connection = open_connection(host_xml.uri)
    yield connection
    connection.close()


OFF = UUID(int=7)
DIMM = MemoryDevice("ua-dimm-1", "dimm", 128 * MIB)
PARTS = MemoryDevice("ua-virtio-mem-1", "virtio-mem", 256 * MIB, 2 * MIB, 64 * MIB)


def later(c: Connection) -> Definition:
    found = get_guest(c, OFF).next_boot
    assert found is not None
    return found


def element(c: Connection, path: str) -> ElementTree.Element | None:
    xml = c.raw.lookupByUUIDString(str(OFF)).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    return ElementTree.fromstring(xml).find(path)


def test_room_comes_with_one_cell_of_all_vcpus_and_goes_without_a_trace(connection: Connection) -> None:
    before = later(connection)
    make_room(connection, OFF, 2048 * MIB, 8)
    assert later(connection).hotplug == Hotplug(2048 * MIB, 8, (NUMACell("0-3", 512 * MIB),))
    make_room(connection, OFF, 4096 * MIB, 4)
    assert later(connection).hotplug == Hotplug(4096 * MIB, 4, (NUMACell("0-3", 512 * MIB),))
    take_room_away(connection, OFF)
    assert later(connection) == before
    assert element(connection, "cpu") is None


def test_a_cell_that_says_more_stays_when_the_room_goes(connection: Connection) -> None:
    make_room(connection, OFF, 2048 * MIB, 8)
    domain = connection.raw.lookupByUUIDString(str(OFF))
    xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    connection.raw.defineXML(xml.replace("<cell id='0'", "<cell id='0' memAccess='shared'"))
    take_room_away(connection, OFF)
    assert later(connection).hotplug == Hotplug(cells=(NUMACell("0-3", 512 * MIB),))


def test_the_maximum_memory_and_the_cell_change_together(connection: Connection) -> None:
    make_room(connection, OFF, 2048 * MIB, 8)
    plug_in(connection, OFF, DIMM, live=False)
    set_maximum_memory(connection, OFF, 1024 * MIB)
    assert later(connection).memory.maximum_kib == 1024 * MIB
    assert later(connection).hotplug.cells == (NUMACell("0-3", 896 * MIB),)
    set_maximum_memory(connection, OFF, 256 * MIB)  # the current memory is lowered with it
    assert later(connection).memory == Memory(256 * MIB, 256 * MIB)
    with pytest.raises(OperationRefused, match="128 MiB of it is plugged in") as refused:
        set_maximum_memory(connection, OFF, 160 * MIB)
    assert refused.value.field == "maximum_memory"
    with pytest.raises(OperationRefused, match=r"room for 2\.0 GiB"):
        set_maximum_memory(connection, OFF, 4096 * MIB)


def test_the_maximum_of_vcpus_and_the_cell_change_together(connection: Connection) -> None:
    make_room(connection, OFF, 2048 * MIB, 8)
    set_maximum_vcpus(connection, OFF, 2)
    assert later(connection).hotplug.cells == (NUMACell("0-1", 512 * MIB),)
    set_maximum_vcpus(connection, OFF, 6)
    assert later(connection).hotplug.cells == (NUMACell("0-5", 512 * MIB),)
    assert (later(connection).vcpus.current, later(connection).vcpus.maximum) == (1, 6)


def test_of_several_cells_the_memory_stays_and_none_loses_all_vcpus(connection: Connection) -> None:
    make_room(connection, OFF, 2048 * MIB, 8)
    domain = connection.raw.lookupByUUIDString(str(OFF))
    xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    one = "<cell id='0' cpus='0-3' memory='524288' unit='KiB'/>"
    assert one in xml
    two = "<cell id='0' cpus='0-1' memory='262144'/><cell id='1' cpus='2-3' memory='262144'/>"
    connection.raw.defineXML(xml.replace(one, two))
    set_maximum_vcpus(connection, OFF, 3)
    assert [cell.cpus for cell in later(connection).hotplug.cells] == ["0-1", "2"]
    with pytest.raises(OperationRefused, match="no vCPU left"):
        set_maximum_vcpus(connection, OFF, 2)
    with pytest.raises(OperationRefused, match="2 NUMA cells"):
        set_maximum_memory(connection, OFF, 1024 * MIB)


def test_devices_of_the_next_boot_count_among_its_memory(connection: Connection) -> None:
    make_room(connection, OFF, 2048 * MIB, 8)
    plug_in(connection, OFF, DIMM, live=False)
    assert later(connection).memory == Memory(384 * MIB, 640 * MIB)
    plug_in(connection, OFF, PARTS, live=False)
    assert later(connection).memory == Memory(448 * MIB, 896 * MIB)
    assert later(connection).hotplug.devices == (DIMM, PARTS)
    request(connection, OFF, PARTS.name, 32 * MIB, live=False)
    assert later(connection).memory == Memory(416 * MIB, 896 * MIB)
    take_out(connection, OFF, DIMM.name, live=False)
    take_out(connection, OFF, PARTS.name, live=False)
    assert (later(connection).memory, later(connection).hotplug.devices) == (Memory(256 * MIB, 512 * MIB), ())
    with pytest.raises(OperationRefused, match=r"no memory device ua-dimm-1 \(any more\)"):
        take_out(connection, OFF, DIMM.name, live=False)


def test_the_balloon_does_not_move_what_virtio_mem_gives(connection: Connection) -> None:
    make_room(connection, OFF, 2048 * MIB, 8)
    plug_in(connection, OFF, PARTS, live=False)
    set_current_memory(connection, OFF, 400 * MIB, live=False, next_boot=True)
    assert later(connection).memory.current_kib == 400 * MIB
    target = element(connection, "currentMemory")
    assert target is not None
    assert target.text == str(336 * MIB)
    with pytest.raises(OperationRefused, match="can give from 64 MiB to 576 MiB"):
        set_current_memory(connection, OFF, 600 * MIB, live=False, next_boot=True)
    with pytest.raises(OperationRefused, match="can give from 64 MiB to 576 MiB"):
        set_current_memory(connection, OFF, 64 * MIB, live=False, next_boot=True)
