"""Pools and volumes as rows."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from guests import resources
from guests.inventory.changes import Feed, current_revision
from guests.inventory.host_inventory import HostInventory
from guests.inventory.leases import Lease
from guests.inventory.models import Host
from guests.inventory.storage import (
    Pool,
    PoolProblem,
    Volume,
    drop_pools_except,
    keep_format,
    keep_pool,
    lose_pool,
    mark_pool,
    volumes_by_path,
)

GIB = 1024**3
UUID_ = UUID("5f3c1b0e-0000-4000-8000-00000000aaaa")


def volume(name: str, **more: object) -> resources.Volume:
    plain = resources.Volume(name, f"/p/{name}", f"/p/{name}", "qcow2", "file", GIB, GIB // 4)
    return replace(plain, **more)  # type: ignore[arg-type]


POOL = resources.Pool(
    uuid=UUID_,
    name="images",
    kind="dir",
    active=True,
    persistent=True,
    autostart=True,
    path="/p",
    source="",
    capacity_bytes=100 * GIB,
    allocation_bytes=40 * GIB,
    available_bytes=60 * GIB,
    volumes=(volume("a.qcow2"), volume("b.iso", format="iso")),
)


def now() -> int:
    return current_revision(Feed.INVENTORY)


@pytest.fixture
def lease(inventory: HostInventory) -> Lease:
    return inventory.lease


def test_what_was_read_stands_and_what_did_not_change_is_not_written(host: Host, lease: Lease) -> None:
    assert keep_pool(lease, POOL, now())
    pool = Pool.objects.get()
    assert (pool.name, pool.used_percent, [v.name for v in pool.volumes.all()]) == ("images", 40, ["a.qcow2", "b.iso"])
    before = now()
    assert keep_pool(lease, POOL, before)
    assert now() == before
    later = Pool.objects.get()
    assert later.read_at is not None
    assert pool.read_at is not None
    assert later.read_at > pool.read_at


def test_volumes_come_change_and_go_and_those_of_an_inactive_pool_stay(host: Host, lease: Lease) -> None:
    keep_pool(lease, POOL, now())
    kept = Volume.objects.get(name="a.qcow2")
    grown = volume("a.qcow2", capacity_bytes=2 * GIB)
    keep_pool(lease, replace(POOL, volumes=(grown, volume("c.qcow2"))), now())
    assert {(v.name, v.capacity_bytes) for v in Volume.objects.all()} == {("a.qcow2", 2 * GIB), ("c.qcow2", GIB)}
    assert Volume.objects.get(name="a.qcow2").pk == kept.pk
    keep_pool(lease, replace(POOL, active=False, volumes=None), now())
    assert Volume.objects.count() == 2
    assert not Pool.objects.get().active


def test_the_format_that_a_volume_had_first_stays_whatever_is_written_into_it(host: Host, lease: Lease) -> None:
    keep_pool(lease, replace(POOL, volumes=(volume("disk", format="raw"), volume("cd.iso", format="iso"))), now())
    keep_pool(lease, replace(POOL, volumes=(volume("disk", format="qcow2", backing_path="/etc/shadow"),)), now())
    disk = Volume.objects.get(name="disk")
    assert (disk.format, disk.seen_format) == ("raw", "qcow2")
    assert disk.looks_otherwise


def test_a_cd_image_is_handed_out_as_it_lies(host: Host, lease: Lease) -> None:
    keep_pool(lease, POOL, now())
    cd = Volume.objects.get(name="b.iso")
    assert (cd.format, cd.is_media, cd.looks_otherwise) == ("raw", True, False)


def test_a_reading_that_began_before_a_change_is_not_written_over_it(host: Host, lease: Lease) -> None:
    keep_pool(lease, POOL, now())
    since = now()
    keep_format(lease, UUID_, "new", "raw")
    assert not keep_pool(lease, POOL, since)
    assert Volume.objects.get(name="new").format == "raw"
    assert keep_pool(lease, replace(POOL, volumes=(volume("new"),)), now())
    assert Volume.objects.get().format == "raw"


def test_a_pool_that_hangs_keeps_what_was_read_and_says_so(host: Host, lease: Lease) -> None:
    keep_pool(lease, POOL, now())
    mark_pool(lease, UUID_, PoolProblem.HANGS)
    pool = Pool.objects.get()
    assert (pool.problem, pool.volumes.count()) == ("hangs", 2)
    before = now()
    mark_pool(lease, UUID_, PoolProblem.HANGS)
    assert now() == before
    keep_pool(lease, POOL, before)
    assert Pool.objects.get().problem == ""


def test_pools_that_the_host_has_no_more_are_gone_with_their_volumes(host: Host, lease: Lease) -> None:
    keep_pool(lease, POOL, now())
    keep_pool(lease, replace(POOL, uuid=UUID(int=9), name="other"), now())
    drop_pools_except(lease, [UUID_])
    assert [pool.name for pool in Pool.objects.all()] == ["images"]
    lose_pool(lease, UUID_)
    assert not Volume.objects.exists()


def test_a_disk_s_source_leads_to_its_volume_on_its_own_host_only(host: Host, lease: Lease) -> None:
    keep_pool(lease, POOL, now())
    found = volumes_by_path(host, ["/p/a.qcow2", "", "/elsewhere"])
    assert {path: v.name for path, v in found.items()} == {"/p/a.qcow2": "a.qcow2"}
    assert volumes_by_path(Host.objects.create(name="beta", uri="test:///default"), ["/p/a.qcow2"]) == {}
