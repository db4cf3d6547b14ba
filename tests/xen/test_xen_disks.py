"""Disks on a real Xen host: attached to what runs and detached; growing is not for its driver."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from uuid import UUID

import libvirt
import pytest

from guests.errors import NotSupported
from guests.hypervisor.connection import Connection
from guests.hypervisor.disks import add_disk, grow_disk, remove_disk
from guests.hypervisor.reading import get_guest
from guests.hypervisor.writing import force_off, start
from guests.resources import Disk
from tests.live.hypervisor_guest import until
from tests.xen.test_xen_host import DEFINITION, PV

pytestmark = pytest.mark.timeout(600)

POOL = "<pool type='dir'><name>guesthouse-disks</name><target><path>/var/lib/guest</path></target></pool>"
VOLUME = "<volume><name>{0}</name><capacity unit='MiB'>8</capacity><target><format type='{1}'/></target></volume>"


@pytest.fixture
def guest(xen: Connection) -> Iterator[UUID]:
    """A para-virtualised guest that runs. The lab's has no driver for Xen's disks: what it sees is not asked."""
    with contextlib.suppress(libvirt.libvirtError):
        xen.raw.lookupByUUIDString(str(PV)).destroy()
    domain = xen.raw.defineXML(DEFINITION)
    start(xen, PV)
    yield PV
    force_off(xen, PV)
    domain.undefine()


@pytest.fixture
def paths(xen: Connection) -> Iterator[dict[str, str]]:
    """A volume of each format."""
    pool = xen.raw.storagePoolCreateXML(POOL, 0)
    names = {"raw": "more.img", "qcow2": "more.qcow2"}
    for format, name in names.items():
        with contextlib.suppress(libvirt.libvirtError):
            pool.storageVolLookupByName(name).delete(0)
        pool.createXML(VOLUME.format(name, format), 0)
    yield {format: f"/var/lib/guest/{name}" for format, name in names.items()}
    for name in names.values():
        pool.storageVolLookupByName(name).delete(0)
    pool.destroy()


def test_disks_of_both_formats_come_and_go_while_the_guest_runs(
    xen: Connection, guest: UUID, paths: dict[str, str]
) -> None:
    for target, format in (("xvdb", "raw"), ("xvdc", "qcow2")):
        disk = Disk(target, "disk", "xen", "file", paths[format], format)
        add_disk(xen, guest, disk, live=True)
        add_disk(xen, guest, disk, live=False)
        found = get_guest(xen, guest)
        for definition in (found.live, found.next_boot):
            assert definition is not None
            assert [(d.target, d.source, d.format) for d in definition.disks] == [(target, paths[format], format)]
        with pytest.raises(NotSupported):
            grow_disk(xen, guest, target, 16 * 2**20)
        remove_disk(xen, guest, target, live=False)
        remove_disk(xen, guest, target, live=True)
        until(lambda: not get_guest(xen, guest).definition.disks, 30, f"{target} gone")
