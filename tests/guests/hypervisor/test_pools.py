from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from guests.errors import StorageNotFound
from guests.hypervisor.connection import Connection
from guests.hypervisor.pools import get_pool, list_pool_uuids, parse_volume, refresh_pool
from guests.hypervisor.xml_document import UnreadableDefinition

VOLUME = """<volume type='{kind}'><name>{name}</name><capacity unit='MiB'>64</capacity>
  <target><format type='qcow2'/></target></volume>"""


@pytest.fixture
def pool(host: Connection) -> UUID:
    """The pool `images`, active, of the test driver; and one that is not."""
    xml = "<pool type='dir'><name>{}</name><target><path>/{}</path></target></pool>"
    images = host.raw.storagePoolDefineXML(xml.format("images", "images"), 0)
    images.create(0)
    host.raw.storagePoolDefineXML(xml.format("off", "off"), 0)
    return UUID(images.UUIDString())


def test_a_pool_is_told_with_its_volumes_and_an_inactive_one_without(host: Connection, pool: UUID) -> None:
    raw = host.raw.storagePoolLookupByUUIDString(str(pool))
    raw.createXML(VOLUME.format(kind="file", name="b.qcow2"), 0)
    raw.createXML(VOLUME.format(kind="file", name="a.qcow2"), 0)
    found = get_pool(host, pool)
    assert (found.name, found.kind, found.path, found.source) == ("images", "dir", "/images", "")
    assert (found.active, found.persistent, found.autostart) == (True, True, False)
    assert found.capacity_bytes == found.allocation_bytes + found.available_bytes
    assert found.volumes is not None
    assert [(v.name, v.path, v.format, v.capacity_bytes) for v in found.volumes] == [
        ("a.qcow2", "/images/a.qcow2", "qcow2", 64 * 1024**2),
        ("b.qcow2", "/images/b.qcow2", "qcow2", 64 * 1024**2),
    ]
    others = {get_pool(host, uuid).name: get_pool(host, uuid) for uuid in list_pool_uuids(host) or []}
    assert others["off"].volumes is None
    assert not others["off"].active


def test_a_pool_that_is_gone_is_said_to_be(host: Connection, pool: UUID) -> None:
    with pytest.raises(StorageNotFound):
        get_pool(host, uuid4())
    refresh_pool(host, pool)


def test_a_volume_s_backing_file_is_told() -> None:
    found = parse_volume(
        "<volume type='file'><name>over.qcow2</name><key>/p/over.qcow2</key><capacity unit='bytes'>10</capacity>"
        "<allocation unit='bytes'>4</allocation><target><path>/p/over.qcow2</path><format type='qcow2'/></target>"
        "<backingStore><path>/p/under.img</path><format type='raw'/></backingStore></volume>"
    )
    assert (found.backing_path, found.allocation_bytes, found.kind) == ("/p/under.img", 4, "file")


@pytest.mark.parametrize(
    ("kind", "told", "format"),
    [
        ("block", "linux", "raw"),  # of a partition
        ("block", "unknown", "raw"),  # of a LUN
        ("block", "extended", "extended"),
        ("file", "unknown", "unknown"),
    ],
)
def test_the_format_of_a_block_device_is_no_kind_of_partition(kind: str, told: str, format: str) -> None:
    found = parse_volume(
        f"<volume type='{kind}'><name>sda1</name><capacity>10</capacity>"
        f"<target><path>/dev/sda1</path><format type='{told}'/></target></volume>"
    )
    assert found.format == format


def test_a_volume_with_a_hostile_description_is_refused() -> None:
    with pytest.raises(UnreadableDefinition):
        parse_volume("<!DOCTYPE v [<!ENTITY a 'b'>]><volume><name>&a;</name></volume>")
    with pytest.raises(UnreadableDefinition):
        parse_volume("<volume><name>a</name><capacity>-1</capacity></volume>")
