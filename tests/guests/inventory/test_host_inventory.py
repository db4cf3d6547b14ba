from __future__ import annotations

import time
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from guests.inventory.changes import Feed, current_revision
from guests.inventory.host_inventory import HostInventory
from guests.inventory.leases import LeaseLost, take_leases
from guests.inventory.models import Guest, Host, HostLease
from guests.inventory.projection import definition_from_json, definition_to_json
from guests.resources import EventKind, GuestEvent, GuestState, Hotplug, Memory, MemoryDevice
from tests.guests.inventory.values import MIB, definition, guest, sample


def test_a_definition_comes_back_from_json_as_it_was() -> None:
    made = definition()
    assert definition_from_json(definition_to_json(made)) == made


def test_a_resync_writes_rows_with_what_pages_show(inventory: HostInventory, host: Host) -> None:
    web = guest(next_boot=definition(memory=Memory(128 * MIB, 1024 * MIB)))
    inventory.resync([web], time.monotonic(), hostname="alpha.example")
    row = Guest.objects.get(host=host)
    assert row.id == row.uuid == web.uuid
    assert (row.name, row.state, row.reason, row.domain_id) == ("web-1", "running", "booted", 1)
    assert (row.current_kib, row.maximum_kib) == (256 * MIB, 512 * MIB)
    assert (row.next_boot_current_kib, row.next_boot_maximum_kib) == (128 * MIB, 1024 * MIB)
    assert row.macs == "52:54:00:00:00:0a"
    assert definition_from_json(row.definition) == web.live
    host.refresh_from_db()
    assert host.hostname == "alpha.example"
    assert row.revision == host.revision == current_revision(Feed.INVENTORY)


def test_a_row_that_did_not_change_is_not_written(inventory: HostInventory) -> None:
    still, moving = guest(), guest(name="db-1")
    inventory.resync([still, moving], time.monotonic())
    inventory.tick([sample(still.uuid, 1.0), sample(moving.uuid, 1.0)], time.monotonic())
    inventory.tick([sample(still.uuid, 2.0), sample(moving.uuid, 2.0)], time.monotonic())
    before = Guest.objects.get(pk=still.uuid).revision
    inventory.tick(
        [sample(still.uuid, 3.0), sample(moving.uuid, 3.0, name="db-1", cpu_time_ns=10**9)], time.monotonic()
    )
    assert Guest.objects.get(pk=still.uuid).revision == before
    row = Guest.objects.get(pk=moving.uuid)
    assert row.revision > before
    assert row.cpu_percent == 100.0


def test_nothing_changed_is_no_transaction(
    inventory: HostInventory, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    web = guest()
    inventory.resync([web], time.monotonic())
    with django_assert_num_queries(0):
        inventory.resync([web], time.monotonic())


@pytest.mark.parametrize("what", ["tick", "resync"])
def test_the_number_of_statements_does_not_grow_with_guests(host: Host, what: str) -> None:
    counts = []
    for number, many in enumerate((3, 60)):
        fresh = Host.objects.create(name=f"host-{number}", uri="test:///default")
        inventory = HostInventory(next(lease for lease in take_leases(f"w{number}") if lease.host_id == fresh.pk))
        guests = [guest(name=f"g{index}") for index in range(many)]
        inventory.resync(guests, time.monotonic())
        with CaptureQueriesContext(connection) as queries:
            if what == "tick":
                samples = [sample(g.uuid, 5.0, usable_kib=7 + number) for g in guests]
                inventory.tick(samples, time.monotonic(), tick_ms=3)
            else:
                inventory.resync(
                    [guest(g.uuid, name=g.name, memory=Memory(9, 10)) for g in guests], time.monotonic(), tick_ms=3
                )
        assert Guest.objects.filter(host=fresh, revision=current_revision(Feed.INVENTORY)).count() == many
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 8


def test_a_guest_that_went_away_is_marked_and_kept_and_comes_back_as_the_same_row(inventory: HostInventory) -> None:
    web, db = guest(), guest(name="db-1")
    inventory.resync([web, db], time.monotonic())
    inventory.resync([db], time.monotonic())
    row = Guest.objects.get(pk=web.uuid)
    assert row.gone_at is not None
    assert row.seen_at is not None
    assert (row.state, row.domain_id, row.cpu_percent) == ("unknown", None, None)
    inventory.resync([db, web], time.monotonic())
    row.refresh_from_db()
    assert row.gone_at is None
    assert row.seen_at is None
    assert row.state == "running"


def test_a_tick_marks_who_is_missing_and_names_who_is_new(inventory: HostInventory) -> None:
    web, new = guest(), uuid4()
    inventory.resync([web], time.monotonic())
    assert inventory.tick([sample(new, 1.0)], time.monotonic()) == {new}
    assert Guest.objects.get(pk=web.uuid).gone_at is not None
    assert not Guest.objects.filter(uuid=new).exists()


def event(uuid: UUID, detail: str, kind: EventKind = EventKind.LIFECYCLE, kib: int | None = None) -> GuestEvent:
    return GuestEvent(kind, uuid, "web-1", detail, kib)


@pytest.mark.parametrize(
    ("detail", "state"),
    [("suspended", "paused"), ("stopped", "shut-off"), ("crashed", "crashed"), ("pmsuspended", "pmsuspended")],
)
def test_a_lifecycle_event_is_written_at_once(inventory: HostInventory, detail: str, state: str) -> None:
    web = guest()
    inventory.resync([web], time.monotonic())
    since = Guest.objects.get(pk=web.uuid).state_since
    assert inventory.tell(event(web.uuid, detail))
    row = Guest.objects.get(pk=web.uuid)
    assert row.state == state
    assert row.state_since is not None
    assert since is not None
    assert row.state_since > since
    assert (row.domain_id is None) == (not GuestState(state).is_active)


def test_a_sample_taken_before_an_event_does_not_bring_the_old_state_back(inventory: HostInventory) -> None:
    web = guest()
    inventory.resync([web], time.monotonic())
    began = time.monotonic()
    inventory.tell(event(web.uuid, "suspended"))
    inventory.tick([sample(web.uuid, 1.0)], began)
    assert Guest.objects.get(pk=web.uuid).state == "paused"
    inventory.resync([web], began)
    assert Guest.objects.get(pk=web.uuid).state == "paused"
    inventory.tick([sample(web.uuid, 2.0)], time.monotonic())
    assert Guest.objects.get(pk=web.uuid).state == "running"


def test_a_balloon_event_moves_what_the_guest_holds_and_its_current_memory(inventory: HostInventory) -> None:
    web = guest()
    inventory.resync([web], time.monotonic())
    assert not inventory.tell(event(web.uuid, "balloon", EventKind.BALLOON, 384 * MIB))
    row = Guest.objects.get(pk=web.uuid)
    assert (row.balloon_kib, row.current_kib) == (384 * MIB, 384 * MIB)
    inventory.tell(event(web.uuid, "balloon", EventKind.BALLOON, 384 * MIB - 4))
    row.refresh_from_db()
    assert (row.balloon_kib, row.current_kib) == (384 * MIB - 4, 384 * MIB)


def test_what_a_guest_took_of_virtio_mem_is_beside_what_the_balloon_tells(inventory: HostInventory) -> None:
    taken = MemoryDevice("virtiomem0", "virtio-mem", 512 * MIB, 2 * MIB, 128 * MIB, 64 * MIB)
    web = guest(hotplug=Hotplug(2048 * MIB, 4, devices=(taken,)))
    inventory.resync([web], time.monotonic())
    inventory.tell(event(web.uuid, "balloon", EventKind.BALLOON, 256 * MIB))
    row = Guest.objects.get(pk=web.uuid)
    assert (row.balloon_kib, row.current_kib) == (320 * MIB, 320 * MIB)
    assert inventory.tell(event(web.uuid, "memory device: virtiomem0", EventKind.DEFINITION))  # its size must be read


def test_a_guest_that_stopped_has_no_figures(inventory: HostInventory) -> None:
    web = guest()
    inventory.resync([web], time.monotonic())
    inventory.tick([sample(web.uuid, 1.0)], time.monotonic())
    assert Guest.objects.get(pk=web.uuid).usable_kib == 64 * MIB
    inventory.tell(event(web.uuid, "stopped"))
    off = {"state": GuestState.SHUT_OFF, "domain_id": None, "balloon_current_kib": None, "usable_kib": None}
    inventory.tick([sample(web.uuid, 2.0, cpu_time_ns=None, disks=(), nics=(), **off)], time.monotonic())
    row = Guest.objects.get(pk=web.uuid)
    assert (row.usable_kib, row.balloon_kib, row.cpu_percent) == (None, None, None)
    assert row.disk_usage[0]["capacity_bytes"] == 10**9  # sizes are known while it is off
    assert row.disk_usage[0]["read_bytes"] is None
    assert row.used_kib is None


def test_nothing_lands_once_another_worker_has_the_lease(inventory: HostInventory) -> None:
    web = guest()
    inventory.resync([web], time.monotonic())
    HostLease.objects.update(owner="other", epoch=2)
    with pytest.raises(LeaseLost):
        inventory.tell(event(web.uuid, "suspended"))
    assert Guest.objects.get(pk=web.uuid).state == "running"


def test_after_a_failed_write_the_next_one_starts_from_the_table(inventory: HostInventory) -> None:
    web = guest()
    inventory.resync([web], time.monotonic())
    HostLease.objects.update(owner="other")
    with pytest.raises(LeaseLost):
        inventory.tell(event(web.uuid, "suspended"))
    HostLease.objects.update(owner="me")
    inventory.tell(event(web.uuid, "suspended"))
    assert Guest.objects.get(pk=web.uuid).state == "paused"


def two_hosts() -> tuple[HostInventory, HostInventory]:
    Host.objects.create(name="one", uri="test:///default")
    Host.objects.create(name="two", uri="test:///default")
    first, second = take_leases("me")
    return HostInventory(first), HostInventory(second)


def test_the_same_uuid_on_two_hosts_is_two_rows_both_marked(db: None) -> None:
    one, two = two_hosts()
    web = guest()
    one.resync([web], time.monotonic())
    two.resync([web], time.monotonic())
    rows = Guest.objects.filter(uuid=web.uuid)
    assert rows.count() == 2
    assert all(row.conflict for row in rows)
    first, second = rows.get(host_id=one.lease.host_id), rows.get(host_id=two.lease.host_id)
    assert first.id == web.uuid
    assert second.id != web.uuid
    two.resync([], time.monotonic())
    assert not Guest.objects.filter(conflict=True).exists()
    assert Guest.objects.get(pk=first.pk).revision == current_revision(Feed.INVENTORY)
    two.resync([web], time.monotonic())
    assert Guest.objects.get(pk=second.pk).gone_at is None  # the same row, with the same id, again
    assert Guest.objects.filter(conflict=True).count() == 2


def test_every_domain_0_has_an_id_of_its_own_and_is_no_conflict(db: None) -> None:
    one, two = two_hosts()
    for inventory in (one, two):
        inventory.resync([guest(UUID(int=0), name="Domain-0")], time.monotonic())
    rows = list(Guest.objects.all())
    assert len({row.pk for row in rows}) == 2
    assert all(row.pk.int and row.privileged and not row.conflict for row in rows)
