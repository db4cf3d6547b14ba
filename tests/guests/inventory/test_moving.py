"""A guest that is migrated keeps its row; copies of one UUID are different guests."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from guests import resources
from guests.access.models import Grant
from guests.audit.models import AuditRecord
from guests.inventory import host_inventory
from guests.inventory.changes import Feed, current_revision
from guests.inventory.host_inventory import HostInventory
from guests.inventory.leases import take_leases
from guests.inventory.models import Guest, Host
from guests.operations.models import Operation
from guests.resources import EventKind, GuestEvent, GuestState
from tests.guests.inventory.values import guest, sample

WEB = uuid4()


@pytest.fixture
def names(db: None) -> list[str]:
    return ["one", "two", "three"]


@pytest.fixture
def inventories(names: list[str]) -> list[HostInventory]:
    """Of three hosts; each could be another worker's."""
    for name in names:
        Host.objects.create(name=name, uri=f"qemu+ssh://{name}/system", seen_at=timezone.now())
    return [HostInventory(lease) for name in names for lease in take_leases(f"worker of {name}", most=1)]


@pytest.fixture
def one(inventories: list[HostInventory]) -> HostInventory:
    (inventory,) = [i for i in inventories if host_name(i) == "one"]
    return inventory


@pytest.fixture
def two(inventories: list[HostInventory]) -> HostInventory:
    (inventory,) = [i for i in inventories if host_name(i) == "two"]
    return inventory


@pytest.fixture
def three(inventories: list[HostInventory]) -> HostInventory:
    (inventory,) = [i for i in inventories if host_name(i) == "three"]
    return inventory


def host_name(inventory: HostInventory) -> str:
    return Host.objects.get(pk=inventory.lease.host_id).name


def runs(inventory: HostInventory, reason: str = "booted", state: GuestState = GuestState.RUNNING) -> None:
    inventory.refresh(guest(WEB, state=state, reason=reason), time.monotonic())


def stops(inventory: HostInventory, reason: str = "migrated", *, transient: bool = False) -> None:
    """As libvirt tells it: an event, and what is read then."""
    inventory.tell(GuestEvent(EventKind.LIFECYCLE, WEB, "web-1", "stopped", reason=reason))
    if transient:
        inventory.lose(WEB, time.monotonic())
    else:
        off(inventory, reason)


def off(inventory: HostInventory, reason: str = "") -> None:
    inventory.refresh(guest(WEB, state=GuestState.SHUT_OFF, reason=reason), time.monotonic())


def where() -> dict[str, UUID]:
    """Where rows are present, by the host's name."""
    return dict(Guest.objects.filter(gone_at=None).values_list("host__name", "pk"))


def the_row() -> Guest:
    return Guest.objects.select_related("host").get(pk=WEB)


def long_ago(inventory: HostInventory) -> None:
    """What this host has, it had for a day; when it was read last, it was an hour ago."""
    day, hour = timezone.now() - timedelta(days=1), timezone.now() - timedelta(hours=1)
    Guest.objects.filter(host=inventory.lease.host_id).update(came_at=day, state_since=day)
    Host.objects.filter(pk=inventory.lease.host_id).update(seen_at=hour)
    inventory._rows = None


@pytest.mark.parametrize("transient", [True, False])
@pytest.mark.parametrize("first", ["came", "left"])
def test_the_row_moves_whoever_hears_first(
    one: HostInventory, two: HostInventory, monkeypatch: pytest.MonkeyPatch, transient: bool, first: str
) -> None:
    monkeypatch.setattr(host_inventory, "ARRIVAL_SECONDS", 0.0)  # the second host does not wait
    runs(one)
    if first == "came":
        runs(two, "migrated")
        stops(one, transient=transient)
    else:
        stops(one, transient=transient)
        runs(two, "migrated")
    row = the_row()
    assert (row.host.name, row.state, row.reason, row.gone_at, row.left_behind) == (
        "two",
        "running",
        "migrated",
        None,
        False,
    )
    assert where().keys() == ({"two"} if transient else {"one", "two"})
    assert Guest.objects.count() == (1 if transient else 2)


def test_everything_that_hangs_on_it_goes_with_it(one: HostInventory, two: HostInventory, names: list[str]) -> None:
    runs(one)
    minute = time.time() // 60
    for seconds in (0.0, 10.0):
        one.tick([sample(WEB, seconds, cpu_time_ns=int(seconds * 5e8))], time.monotonic())
    row = the_row()
    assert row.cpu_history
    ana = User.objects.create_user("ana")
    grant = Grant.objects.create(user=ana, role="operator", scope="guest", guest=row)
    operation = Operation.objects.create(kind="pause", host=row.host, guest=row, asked_by=ana, idempotency_key="k")
    rights = current_revision(Feed.RIGHTS)
    stops(one, transient=True)
    runs(two, "migrated")
    moved = the_row()
    assert moved.cpu_history == row.cpu_history
    assert moved.history_minute is not None
    assert moved.history_minute >= minute
    assert Grant.objects.get(pk=grant.pk).guest == moved
    operation.refresh_from_db()
    assert operation.host.name == "two"  # it is still queued: the new host's worker runs it
    assert current_revision(Feed.RIGHTS) > rights
    assert moved.revision == current_revision(Feed.INVENTORY)
    line = AuditRecord.objects.get(action="guest.moved")
    assert (line.guest_id, line.host_name, line.detail) == (WEB, "two", {"left": "one"})


def test_while_it_is_on_its_way_there_is_one_row_and_no_conflict(one: HostInventory, two: HostInventory) -> None:
    runs(one)
    two.tell(GuestEvent(EventKind.LIFECYCLE, WEB, "web-1", "started"))
    runs(two, "migrating", GuestState.PAUSED)
    runs(two, "migrated")
    assert two.tick([sample(WEB, 0.0)], time.monotonic()) == {WEB}
    assert two.arriving() == (WEB,)
    assert [(row.host.name, row.conflict) for row in Guest.objects.all()] == [("one", False)]
    stops(one, transient=True)
    runs(two, "migrated")
    assert where() == {"two": WEB}
    assert two.arriving() == ()


def test_a_paused_guest_moves_too(one: HostInventory, two: HostInventory) -> None:
    runs(one, "user", GuestState.PAUSED)
    runs(two, "starting up", GuestState.PAUSED)
    runs(two, "user", GuestState.PAUSED)
    stops(one, transient=True)
    runs(two, "user", GuestState.PAUSED)
    assert where() == {"two": WEB}


def test_a_migration_that_fails_leaves_no_trace(one: HostInventory, two: HostInventory) -> None:
    runs(one)
    runs(two, "migrating", GuestState.PAUSED)
    two.lose(WEB, time.monotonic())
    assert where() == {"one": WEB}
    assert (Guest.objects.count(), two.arriving()) == (1, ())


def test_what_is_left_behind_is_marked_and_never_taken_for_the_guest(one: HostInventory, two: HostInventory) -> None:
    runs(one)
    stops(one)
    runs(two, "migrated")
    rest = Guest.objects.get(host__name="one")
    assert (rest.left_behind, rest.state, rest.conflict, the_row().conflict) == (True, "shut-off", True, True)
    one.lose(WEB, time.monotonic())  # somebody undefines it a moment later
    assert where() == {"two": WEB}
    assert the_row().conflict is False


def test_it_goes_there_and_back_again(one: HostInventory, two: HostInventory) -> None:
    runs(one)
    for here, there in [(one, two), (two, one)] * 2:
        stops(here)
        runs(there, "migrating", GuestState.PAUSED)
        runs(there, "migrated")
        assert where()[host_name(there)] == WEB
    assert Guest.objects.count() == 2


def test_it_goes_on_to_a_third_host(one: HostInventory, two: HostInventory, three: HostInventory) -> None:
    runs(one)
    for here, there in [(one, two), (two, three), (three, two)]:
        stops(here)
        runs(there, "migrated")
        assert where()[host_name(there)] == WEB
        one.resync([guest(WEB, state=GuestState.SHUT_OFF, reason="")], time.monotonic())
    assert the_row().host.name == "two"


@pytest.mark.parametrize("first", ["came", "left"])
def test_a_guest_that_is_off_moves_when_it_is_defined_there_and_undefined_here(
    one: HostInventory, two: HostInventory, first: str
) -> None:
    off(one)
    long_ago(one)
    Host.objects.filter(name="one").update(seen_at=timezone.now() - timedelta(seconds=8))
    if first == "came":
        off(two)
        one.tick([], time.monotonic())
    else:
        one.tick([], time.monotonic())
        off(two)
    assert where() == {"two": WEB}


def test_copies_stay_two_rows_when_one_of_them_goes_away(one: HostInventory, two: HostInventory) -> None:
    Host.objects.update(seen_at=None)  # nobody knows since when they are there
    runs(one)
    runs(two)
    copy = where()["two"]
    stops(one, "destroyed", transient=True)
    assert where() == {"two": copy}
    assert the_row().host.name == "one"


def test_a_copy_that_ran_there_before_is_not_where_it_went(one: HostInventory, two: HostInventory) -> None:
    runs(one)
    runs(two)
    long_ago(two)
    copy = where()["two"]
    stops(one)  # to a host that nobody manages
    assert where() == {"one": WEB, "two": copy}


def test_news_that_come_an_hour_late_still_move_it(
    one: HostInventory, two: HostInventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_inventory, "ARRIVAL_SECONDS", 0.0)
    runs(one)
    runs(two, "migrated")
    long_ago(one)
    hour = timezone.now() - timedelta(minutes=59)
    Guest.objects.filter(host__name="two").update(came_at=hour, state_since=hour)
    one.resync([], time.monotonic())  # the first host answers again, and has it no more
    assert where() == {"two": WEB}


def test_a_worker_that_still_remembers_the_row_writes_nothing_over_it(one: HostInventory, two: HostInventory) -> None:
    runs(one)
    stops(one)
    runs(two, "migrated")
    one.tell(GuestEvent(EventKind.LIFECYCLE, WEB, "web-1", "started"))
    assert (the_row().host.name, the_row().reason) == ("two", "migrated")
    rest = Guest.objects.get(host__name="one")
    assert (rest.state, rest.left_behind) == ("running", False)  # somebody started the copy
    for seconds in (0.0, 10.0):
        one.tick([sample(WEB, seconds, cpu_time_ns=int(seconds * 1e8))], time.monotonic())
        two.tick([sample(WEB, seconds, cpu_time_ns=int(seconds * 5e8))], time.monotonic())
    assert (the_row().cpu_percent, Guest.objects.get(pk=rest.pk).cpu_percent) == (50.0, 10.0)


def test_domain_0_never_moves(one: HostInventory, two: HostInventory) -> None:
    zero: resources.Guest = guest(UUID(int=0), name="Domain-0")
    one.resync([zero], time.monotonic())
    one.resync([], time.monotonic())
    two.resync([zero], time.monotonic())
    assert Guest.objects.count() == 2
