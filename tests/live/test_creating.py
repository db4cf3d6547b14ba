"""Guests that are created on a real host: what they see of what was asked for, and what is left when a step fails."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from guests.access.models import Role
from guests.hypervisor.connection import Connection, open_connection
from guests.inventory.models import Guest, Host
from guests.inventory.storage import Pool, Volume
from guests.operations import ask_host, new_key, wait_for_end
from guests.operations.models import Operation
from tests.guests.inventory_rows import grant, person
from tests.guests.worker.conftest import RunningWorker, admin, start_worker, until
from tests.labs import boot_sectors
from tests.labs.lab import Lab
from tests.live.hypervisor_guest import Terminal

__all__ = ["admin", "start_worker"]
pytestmark = pytest.mark.timeout(240)
MIB = 1024
POOL = "images"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxPLSvV0qFbXBzdcCaZDwcYpJ5oYg2G6DDlqN1Wx2ye anna@desk"


@pytest.fixture
def pool(lab: Lab) -> Iterator[Lab]:
    """The lab with a pool of the directory that holds kernel and initrd; new guests are gone at the end."""
    lab.virsh("pool-create-as", POOL, "dir", "--target", str(lab.host.layout().seen))
    yield lab
    for name in lab.virsh("list", "--all", "--name").split():
        if name.startswith("new-"):
            for words in (("destroy", name), ("undefine", name)):
                with suppress(subprocess.CalledProcessError):
                    lab.virsh(*words)
    for name in volumes(lab):
        if name.startswith("new-"):
            lab.virsh("vol-delete", name, "--pool", POOL)
    lab.virsh("pool-destroy", POOL)


def volumes(lab: Lab) -> list[str]:
    lab.virsh("pool-refresh", POOL)
    return [line.split()[0] for line in lab.virsh("vol-list", POOL).splitlines()[2:] if line.split()]


@pytest.fixture
def served(pool: Lab, start_worker: Callable[..., RunningWorker], settings: Any) -> Host:
    settings.TICK_SECONDS = 1.0
    start_worker({"lab": pool.uri})
    until(lambda: Host.objects.filter(name="lab", capabilities__isnull=False).exists(), 30)
    until(lambda: Volume.objects.filter(name="vmlinuz", pool__name=POOL).exists(), 30)
    return Host.objects.get(name="lab")


@pytest.fixture
def connection(lab: Lab) -> Iterator[Connection]:
    connection = open_connection(lab.uri)
    yield connection
    connection.close()


def pool_id() -> str:
    return str(Pool.objects.get(name=POOL).uuid)


def parameters(name: str, **changes: Any) -> dict[str, Any]:
    """A guest that boots kernel and initrd, with a new disk."""
    wanted: dict[str, Any] = {
        "name": name,
        "uuid": str(uuid4()),
        "kind": "hvm-qemu",
        "current_kib": 192 * MIB,
        "maximum_kib": 256 * MIB,
        "vcpus": 1,
        "maximum_vcpus": 2,
        "kernel": [pool_id(), "vmlinuz"],
        "initrd": [pool_id(), "initrd.gz"],
        "cmdline": f"console=ttyS0 quiet guest={name}",
        "new_disk": {"pool": pool_id(), "pool_kind": "dir", "bytes": 32 * 2**20, "linked": False},
        "nic": {"mac": "52:54:00:6e:65:77", "kind": "network", "source": "demo", "model": "virtio", "target": ""},
        "start": True,
        "autostart": False,
    }
    return {name: value for name, value in (wanted | changes).items() if value is not None}


def create(host: Host, by: User, **wanted: Any) -> Operation:
    return wait_for_end(ask_host("create_guest", host, by=by, key=new_key(), parameters=wanted), seconds=60)


def test_a_guest_boots_with_its_disk_its_seed_and_its_nic(
    served: Host, pool: Lab, admin: User, connection: Connection
) -> None:
    cloud = {"user": "anna", "hostname": "new-1", "ssh_keys": [KEY]}
    wanted = parameters("new-1", cloud=cloud)
    operation = create(served, admin, **wanted)
    assert operation.state == "done", (operation.message, operation.detail)
    guest = Guest.objects.get(pk=operation.after["guest"])
    assert (guest.name, guest.state, str(guest.uuid)) == ("new-1", "running", wanted["uuid"])
    assert operation.guest == guest
    assert (operation.progress_done, operation.progress_total) == (4, 4)
    assert operation.after["volumes"] == ["new-1.qcow2", "new-1-seed.iso"]
    terminal = Terminal(connection, UUID(wanted["uuid"]))
    try:
        terminal.expect(b"is up on ttyS0", 60)
        assert terminal.answer_to("cat /sys/block/vda/size") == str(32 * 2048)
        assert terminal.answer_to("dd if=/dev/vdb bs=1 skip=32808 count=6 2>/dev/null") == "cidata"
        assert terminal.answer_to("cat /sys/block/vdb/ro") == "1"
        seen = terminal.answer_to("mkdir /seed; mount -t iso9660 -o ro /dev/vdb /seed; ls /seed; cat /seed/*")
        assert seen.split()[:2] == ["meta-data", "user-data"]
        assert '"local-hostname": "new-1"' in seen
        assert f'"instance-id": "{wanted["uuid"]}"' in seen
        assert "#cloud-config" in seen and KEY in seen
        assert "52:54:00:6e:65:77" in terminal.answer_to("cat /sys/class/net/*/address")
    finally:
        terminal.stream.close()
    until(lambda: Guest.objects.filter(pk=guest.pk, usable_kib__isnull=False).exists(), 30)  # its balloon answers


def test_each_source_boots_and_the_guest_itself_says_from_what(
    served: Host, pool: Lab, admin: User, connection: Connection
) -> None:
    contents = {
        "new-medium.iso": boot_sectors.medium("This was booted from a medium."),
        "new-disk.img": boot_sectors.saying("This was booted from a disk.").ljust(2**20, b"\0"),
        "new-cloud.img": boot_sectors.telling_its_seed("This was booted from an image.").ljust(2**20, b"\0"),
    }
    for name, content in contents.items():
        (pool.host.layout().real / name).write_bytes(content)
    volumes(pool)
    until(lambda: Volume.objects.filter(name__in=contents, pool__name=POOL).count() == 3, 20)
    new_disk = {"pool": pool_id(), "pool_kind": "dir", "bytes": 32 * 2**20, "linked": False}
    small = {"kernel": None, "initrd": None, "nic": None, "current_kib": 64 * MIB, "maximum_kib": 64 * MIB}
    cloud = {"user": "anna", "hostname": "cloudy", "ssh_keys": [KEY]}
    asked = {
        "new-6": {"iso": [pool_id(), "new-medium.iso"], "new_disk": new_disk},
        "new-7": {"disk": [pool_id(), "new-disk.img"], "new_disk": None},
        "new-8": {"image": [pool_id(), "new-cloud.img"], "new_disk": {**new_disk, "linked": True}, "cloud": cloud},
        # The firmware shows a guest no virtio disk from which it may not boot: that one is read by Linux, above.
        "new-9": {"image": [pool_id(), "new-cloud.img"], "new_disk": new_disk, "cloud": cloud, "emulated": True},
    }
    for name, source in asked.items():
        operation = create(served, admin, **parameters(name, **small, **source))
        assert operation.state == "done", (operation.message, operation.detail)
    for name, word in (("new-6", "a medium"), ("new-7", "a disk"), ("new-8", "an image"), ("new-9", "an image")):
        terminal = Terminal(connection, Guest.objects.get(name=name).uuid)
        try:
            terminal.expect(f"This was booted from {word}.".encode(), 60)
            if name == "new-9":
                terminal.received.clear()
                terminal.expect(b'"local-hostname": "cloudy"', 20)
                terminal.expect(KEY.encode())
                terminal.expect(b"cidata\r\n")
                terminal.expect(b"#cloud-config")
        finally:
            terminal.stream.close()


def test_a_disk_of_an_image_is_a_copy_or_holds_the_difference_and_is_as_large_as_asked(
    served: Host, pool: Lab, admin: User
) -> None:
    pool.virsh("vol-create-as", POOL, "new-base.qcow2", "16M", "--format", "qcow2")
    for name, linked in (("new-copy", False), ("new-link", True)):
        disk = {"pool": pool_id(), "pool_kind": "dir", "bytes": 48 * 2**20, "linked": linked}
        until(lambda: Volume.objects.filter(name="new-base.qcow2").exists(), 20)
        operation = create(
            served, admin, **parameters(name, image=[pool_id(), "new-base.qcow2"], new_disk=disk, start=False, nic=None)
        )
        assert operation.state == "done", (operation.message, operation.detail)
        xml = pool.virsh("vol-dumpxml", f"{name}.qcow2", "--pool", POOL)
        assert f">{48 * 2**20}</capacity>" in xml
        assert "<format type='qcow2'/>" in xml
        assert ("new-base.qcow2" in xml) is linked
        assert Guest.objects.get(name=name).state == "shut-off"


def test_a_failure_in_the_middle_leaves_nothing(served: Host, pool: Lab, admin: User) -> None:
    there = volumes(pool)
    for changes, why in (
        ({"kind": "xen-xen"}, "does not offer"),  # after the volumes
        ({"initrd": [pool_id(), "nowhere"]}, "nowhere is no longer in the storage"),
        ({"kernel": [pool_id(), "demo.iso"]}, "failed at this for new-2"),  # at the start
    ):
        cloud = {"user": "anna", "hostname": "new-2", "ssh_keys": [KEY]}
        operation = create(served, admin, **parameters("new-2", cloud=cloud, **changes))
        assert operation.state == "failed", changes
        assert why in operation.message
        assert "Nothing of it was left" in operation.message
        assert volumes(pool) == there
        assert "new-2" not in pool.virsh("list", "--all", "--name").split()
    assert not Guest.objects.filter(name="new-2", gone_at=None).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="QEMU of a session runs as the user who made the pool")
def test_a_pool_that_the_user_of_qemu_may_not_enter_is_told_as_that(
    served: Host, pool: Lab, admin: User, connection: Connection
) -> None:
    directory = pool.pool("closed")
    directory.chmod(0o700)
    until(lambda: Pool.objects.filter(name="closed", host=served).exists(), 20)
    closed = str(Pool.objects.get(name="closed", host=served).uuid)
    disk = {"pool": closed, "pool_kind": "dir", "bytes": 32 * 2**20, "linked": False}
    operation = create(served, admin, **parameters("new-5", new_disk=disk))
    assert operation.state == "failed"
    assert operation.message.startswith("The user that runs QEMU on the host may not open a disk")
    assert "Nothing of it was left" in operation.message
    assert "Permission denied" in operation.detail
    assert list(directory.iterdir()) == []
    directory.chmod(0o755)
    pool.virsh("pool-destroy", "closed")
    pool.virsh("pool-undefine", "closed")


def test_what_stands_is_refused_and_stays(served: Host, pool: Lab, admin: User) -> None:
    taken = create(served, admin, **parameters("web-1"))
    assert (taken.state, taken.field) == ("failed", "name")
    pool.virsh("vol-create-as", POOL, "new-3.qcow2", "1M")
    operation = create(served, admin, **parameters("new-3"))
    assert operation.state == "failed"
    assert "new-3.qcow2" in volumes(pool)  # not ours: not deleted


def test_only_administrators_of_the_host_create(served: Host, pool: Lab, admin: User) -> None:
    anna = person("anna")
    grant(anna, Role.ADMINISTRATOR, guest=Guest.objects.get(name="web-1"))
    grant(anna, Role.OPERATOR)
    with pytest.raises(PermissionDenied, match="may not do this on this host"):
        ask_host("create_guest", served, by=anna, key=new_key(), parameters=parameters("new-4"))
