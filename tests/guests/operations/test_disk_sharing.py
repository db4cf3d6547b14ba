"""Who may have a volume together: by what lies over what, on this host and on others over the same storage."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any
from uuid import uuid4

import pytest

from guests.inventory.disk_uses import GuestDisks, VolumePaths, uses_by_path
from guests.inventory.models import Guest
from guests.inventory.storage import Pool, Volume
from guests.operations.disk_sharing import Objection, Wanted, objection
from guests.operations.given_volumes import claim_key, refused_by_rows
from guests.resources import Disk
from tests.guests.inventory_rows import make_guest, make_host

ONE, OTHER = uuid4(), uuid4()
DATA = Disk("vdb", "disk", "virtio", "file", "/pool/data", "raw")
MEDIUM = Disk("hda", "cdrom", "ide", "file", "/pool/cd.iso", "raw", readonly=True)
OVER = Disk("vdb", "disk", "virtio", "file", "/pool/top", "qcow2", backing=("/pool/middle", "/pool/base"))


def answer(disk: Disk | None, *, path: str = "/pool/data", below: tuple[str, ...] = (), **wanted: Any) -> str:
    """The objection to ONE's wish while OTHER has the disk; "" where there is none."""
    uses = uses_by_path([GuestDisks(OTHER, "other-1", (disk,) if disk else ())], VolumePaths())
    asked = {"format": "raw", "writes": True, "shareable": False} | wanted
    found = objection(Wanted(guest_id=ONE, path=path, below=below, **asked), uses)
    assert found is None or not found.guests or found.guests == ("other-1",)
    return found.sentence if found else ""


def test_what_nobody_has_is_given() -> None:
    assert answer(None) == ""
    assert answer(replace(DATA, source="/pool/else")) == ""


def test_what_another_guest_writes_is_given_to_nobody_else_not_even_to_read() -> None:
    assert "Another guest uses this volume" in answer(DATA)
    assert "Another guest uses this volume" in answer(DATA, writes=False)
    assert "Another guest uses this volume" in answer(DATA, shareable=True)


def test_two_readers_get_along_and_a_reader_keeps_writers_out() -> None:
    reader = replace(DATA, readonly=True)
    assert answer(reader, writes=False) == ""
    assert answer(MEDIUM, path="/pool/cd.iso", writes=False) == ""
    assert "Another guest uses this volume" in answer(reader)
    assert "Another guest uses this volume" in answer(MEDIUM, path="/pool/cd.iso")


def test_both_must_be_shareable_and_raw() -> None:
    shared = replace(DATA, shareable=True)
    assert answer(shared, shareable=True) == ""
    assert "Another guest uses this volume" in answer(shared)
    assert "Only a raw volume" in answer(None, shareable=True, format="qcow2")
    assert answer(None, shareable=True, format="qcow2", writes=False) == ""


@pytest.mark.parametrize("base", ["/pool/middle", "/pool/base"])
def test_what_disks_lie_over_is_not_written_and_may_be_read(base: str) -> None:
    assert "Disks lie over this volume" in answer(OVER, path=base)
    assert answer(OVER, path=base, writes=False) == ""


def test_what_lies_over_a_disk_that_somebody_writes_is_not_given() -> None:
    assert "writes to what this volume lies over" in answer(DATA, path="/pool/top", below=("/pool/data",))
    assert answer(OVER, path="/pool/twin", below=("/pool/base",)) == ""


def test_a_guest_gets_no_volume_twice_unless_it_only_reads_it() -> None:
    uses = uses_by_path([GuestDisks(ONE, "one-1", (DATA, MEDIUM))], VolumePaths())

    def own(path: str, *, writes: bool) -> Objection | None:
        return objection(Wanted(ONE, path, "raw", (), writes=writes, shareable=False), uses)

    for writes in (True, False):
        found = own("/pool/data", writes=writes)
        assert found is not None
        assert "has this volume already" in found.sentence
    assert own("/pool/cd.iso", writes=False) is None


def test_a_volume_named_by_its_pool_and_one_below_another_by_the_pool_s_word_are_found() -> None:
    paths = VolumePaths(
        named={"default/data": "/pool/top"}, below={"/pool/top": "/pool/base", "/pool/base": "/pool/top"}
    )
    named = Disk("vda", "disk", "virtio", "volume", "default/data", "qcow2")
    uses = uses_by_path([GuestDisks(OTHER, "other-1", (named,))], paths)
    assert [use.below for use in uses["/pool/top"]] == [False, True]  # and the circle ends
    assert [use.below for use in uses["/pool/base"]] == [True]


def pool_of(guest: Guest, kind: str = "dir", source: str = "") -> Pool:
    return Pool.objects.create(host=guest.host, uuid=guest.pk, name="p", kind=kind, source=source, active=True)


def volume_in(pool: Pool, path: str, **columns: Any) -> Volume:
    values = {"format": "raw", "seen_format": "raw", "kind": "file"} | columns
    return Volume.objects.create(pool=pool, name=path.rpartition("/")[2], path=path, **values)


def has(guest: Guest, *disks: Disk) -> None:
    guest.definition = {"disks": [{**asdict(disk), "backing": list(disk.backing)} for disk in disks]}
    guest.save()


def rows_say(guest: Guest, volume: Volume) -> str:
    found = refused_by_rows(guest, volume, writes=True, shareable=False)
    return found.sentence if found else ""


@pytest.mark.django_db
def test_the_same_file_on_a_shared_server_is_refused_whichever_host_s_guest_has_it() -> None:
    one, other = make_guest(make_host("alpha"), "one-1"), make_guest(make_host("beta"), "other-1")
    mine = volume_in(pool_of(one, "netfs", "nas:/export"), "/mnt/a/data.img")
    theirs = volume_in(pool_of(other, "netfs", "nas:/export"), "/mnt/b/data.img")
    assert claim_key(mine) == claim_key(theirs)
    assert rows_say(one, mine) == ""
    has(other, replace(DATA, source="/mnt/b/data.img"))
    assert "Another guest uses this volume" in rows_say(one, mine)
    Pool.objects.filter(pk=theirs.pool_id).update(source="nas:/elsewhere")
    theirs.refresh_from_db()
    assert rows_say(one, mine) == ""
    assert claim_key(mine) != claim_key(theirs)


@pytest.mark.django_db
def test_a_chain_is_told_by_the_pool_and_ends_in_a_pool() -> None:
    one = make_guest(make_host("alpha"), "one-1")
    other = make_guest(one.host, "other-1")
    pool = pool_of(one)
    base = volume_in(pool, "/pool/base")
    top = volume_in(pool, "/pool/top", format="qcow2", seen_format="qcow2", backing_path="/pool/base")
    assert rows_say(one, top) == ""
    has(other, replace(OVER, backing=()))  # shut off: its chain stands nowhere but in the pool
    assert "Disks lie over this volume" in rows_say(one, base)
    has(other, replace(DATA, source="/pool/base"))
    assert "writes to what this volume lies over" in rows_say(one, top)
    has(other)
    stray = volume_in(pool, "/pool/stray", format="qcow2", seen_format="qcow2", backing_path="/etc/shadow")
    assert "a file that is in no pool" in rows_say(one, stray)
    written = volume_in(pool, "/pool/raw", seen_format="qcow2", backing_path="/etc/shadow")  # by its guest
    assert rows_say(one, written) == ""  # given as raw, it lies over nothing
