"""Disks on a real Xen host: attached to what runs, seen by the guest, detached; growing is not for its driver."""

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
from tests.live.hypervisor_guest import Terminal, until
from tests.xen.test_xen_host import DEFINITION, PV

pytestmark = pytest.mark.timeout(600)

POOL = "<pool type='dir'><name>guesthouse-disks</name><target><path>/var/lib/guest</path></target></pool>"
VOLUME = "<volume><name>{0}</name><capacity unit='MiB'>8</capacity><target><format type='{1}'/></target></volume>"


@pytest.fixture
def terminal(xen: Connection) -> Iterator[Terminal]:
    """The console of a para-virtualised guest that has booted."""
    with contextlib.suppress(libvirt.libvirtError):
        xen.raw.lookupByUUIDString(str(PV)).destroy()
    domain = xen.raw.defineXML(DEFINITION)
    start(xen, PV)
    terminal = Terminal(xen, PV, alias=None)
    try:
        until(lambda: b"is up on hvc0" in terminal.received, 240, "the guest")
        yield terminal
    finally:
        terminal.stream.close()
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
    xen: Connection, terminal: Terminal, paths: dict[str, str]
) -> None:
    terminal.stream.send(b"\r")
    for target, format in (("xvdb", "raw"), ("xvdc", "qcow2")):
        disk = Disk(target, "disk", "xen", "file", paths[format], format)
        add_disk(xen, PV, disk, live=True)
        seen = f"cat /sys/block/{target}/size 2>/dev/null"
        until(lambda seen=seen: terminal.answer_to(seen, 60) == "16384", 60, f"{target} in the guest")
        guest = get_guest(xen, PV)
        assert guest.live is not None
        assert guest.live.disks[-1].source == paths[format]
        with pytest.raises(NotSupported):
            grow_disk(xen, PV, target, 16 * 2**20)
        remove_disk(xen, PV, target, live=True)
        until(lambda seen=seen: terminal.answer_to(seen, 60) == "", 60, f"{target} gone from the guest")
    assert UUID(str(PV)) == get_guest(xen, PV).uuid
