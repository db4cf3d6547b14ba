"""A para-virtualised guest is created on a real Xen host: what the host offers, and what boots of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import libvirt
import pytest
from django.contrib.auth.models import User

from guests.hypervisor.connection import Connection
from guests.inventory.capabilities import offers_of
from guests.inventory.models import Guest, Host
from guests.inventory.storage import Pool, Volume
from guests.operations import ask_host, new_key, wait_for_end
from tests.guests.worker.conftest import RunningWorker, admin, start_worker, until
from tests.live.hypervisor_guest import Terminal

__all__ = ["admin", "start_worker"]
pytestmark = pytest.mark.timeout(600)
MIB = 1024
POOL = "<pool type='dir'><name>fresh</name><target><path>/var/lib/guest</path></target></pool>"
NAME = "fresh-pv"


@pytest.fixture
def host(xen: Connection, xen_uri: str, start_worker: Callable[..., RunningWorker], settings: Any) -> Iterator[Host]:
    """The host with a pool that holds kernel and initrd; guest and volumes are gone at the end."""
    pool = xen.raw.storagePoolCreateXML(POOL, 0)
    settings.TICK_SECONDS = 2.0
    start_worker({"xen": xen_uri})
    until(lambda: Volume.objects.filter(name="vmlinuz", pool__name="fresh").exists(), 120)
    until(lambda: Host.objects.filter(capabilities__isnull=False).exists(), 60)
    yield Host.objects.get()
    with contextlib.suppress(libvirt.libvirtError):
        xen.raw.lookupByName(NAME).destroy()
    with contextlib.suppress(libvirt.libvirtError):
        xen.raw.lookupByName(NAME).undefine()
    with contextlib.suppress(libvirt.libvirtError):
        pool.storageVolLookupByName(f"{NAME}.qcow2").delete(0)
    pool.destroy()


def test_a_para_virtualised_guest_is_created_and_boots_with_its_disk(host: Host, xen: Connection, admin: User) -> None:
    offers = {offer.key: offer for offer in offers_of(host)}
    assert "xen-xen" in offers
    assert not offers["xen-xen"].is_full
    pool, uuid = str(Pool.objects.get(name="fresh").uuid), uuid4()
    wanted = {
        "name": NAME,
        "uuid": str(uuid),
        "kind": "xen-xen",
        "current_kib": 128 * MIB,
        "maximum_kib": 160 * MIB,
        "vcpus": 1,
        "maximum_vcpus": 2,
        "kernel": [pool, "vmlinuz"],
        "initrd": [pool, "initrd.gz"],
        "cmdline": f"console=hvc0 quiet guest={NAME}",
        "new_disk": {"pool": pool, "pool_kind": "dir", "bytes": 16 * 2**20, "linked": False},
        "start": True,
        "autostart": False,
    }
    operation = wait_for_end(ask_host("create_guest", host, by=admin, key=new_key(), parameters=wanted), seconds=120)
    assert operation.state == "done", (operation.message, operation.detail)
    guest = Guest.objects.get(pk=operation.after["guest"])
    assert (guest.virtualisation, guest.state) == ("para", "running")
    assert {graphics["kind"] for graphics in guest.definition["graphics"]} == {"vnc"}
    terminal = Terminal(xen, UUID(str(uuid)), alias=None)
    try:
        until(lambda: b"is up on hvc0" in terminal.received, 180)
    finally:
        terminal.stream.close()
    assert [disk["target"] for disk in guest.definition["disks"]] == ["xvda"]
