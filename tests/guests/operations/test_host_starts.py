"""After a boot of a host: what counts as one, and which guests are started, in which order, and which never."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from guests.audit.models import AuditRecord
from guests.inventory.leases import Lease, take_leases
from guests.inventory.models import Guest, Host
from guests.operations import ask, new_key
from guests.operations.host_starts import (
    LATEST,
    HostBoot,
    StartPlace,
    Uptime,
    has_booted,
    start_what_is_due,
    tell_uptime,
)
from guests.operations.models import Operation, OperationState
from tests.guests.inventory_rows import make_guest, make_host, person

pytestmark = pytest.mark.django_db
THEN = timezone.now()


@pytest.mark.parametrize(
    ("before", "now", "elapsed", "booted"),
    [
        (1000, 1300, 300, False),  # it ran on
        (1000, 1150, 300, False),  # it ran on, and got half of the time of the machine that it is a guest of
        (1000, 40, 300, True),
        (60, 70, 310, True),  # it was up for a minute only, then again
        (1000, 1001, 1, False),
        (1000, 1000, 0, False),
        (40, 3000, 3000, False),  # Guesthouse was away, the host was not
        (100_000, 99_900, 10, False),  # counters of idle time may go back a little
        (1000, 2900, 3000, False),  # who cannot tell says no
    ],
)
def test_a_boot_is_what_the_counters_say_twice(before: float, now: float, elapsed: float, booted: bool) -> None:
    assert has_booted(Uptime(before, THEN), Uptime(now, THEN + timedelta(seconds=elapsed))) is booted


@pytest.fixture
def host() -> Host:
    return make_host()


@pytest.fixture
def lease(host: Host) -> Lease:
    return take_leases("me")[0]


def boot_of(host: Host) -> HostBoot:
    return HostBoot.objects.get(host=host)


def read_before(host: Host, up: float, ago: float) -> None:
    HostBoot.objects.update_or_create(
        host=host, defaults={"up_seconds": up, "told_at": timezone.now() - timedelta(seconds=ago)}
    )


def test_the_first_word_of_a_host_is_no_boot_and_a_host_that_tells_nothing_never_boots(
    host: Host, lease: Lease
) -> None:
    tell_uptime(lease, None)
    assert not HostBoot.objects.exists()
    tell_uptime(lease, 30.0)
    assert boot_of(host).noticed_at is None
    assert start_what_is_due(lease) is None


def test_a_boot_is_noticed_once_and_one_that_is_long_over_starts_nothing(host: Host, lease: Lease) -> None:
    StartPlace.objects.create(guest=make_guest(host, "web", state="shut-off"), place=1)
    read_before(host, 5000, ago=120)
    tell_uptime(lease, 30.0)
    first = boot_of(host)
    assert first.booted_at and first.over_at is None
    tell_uptime(lease, 31.0)
    assert boot_of(host).noticed_at == first.noticed_at
    late = LATEST.total_seconds() + 5
    read_before(host, 5000, ago=2 * late)
    tell_uptime(lease, late)
    assert boot_of(host).over_at is not None
    start_what_is_due(lease)
    assert not Operation.objects.exists()


@pytest.fixture
def booted(host: Host) -> HostBoot:
    now = timezone.now()
    return HostBoot.objects.create(host=host, up_seconds=20, told_at=now, booted_at=now, noticed_at=now)


def off(host: Host, name: str, place: int, wait: int = 0, **changes: Any) -> Guest:
    guest = make_guest(host, name, **{"state": "shut-off", **changes})
    StartPlace.objects.create(guest=guest, place=place, wait_seconds=wait)
    return guest


def end(guest: Guest, state: OperationState = OperationState.DONE, ago: float = 0, **after: Any) -> None:
    ended = timezone.now() - timedelta(seconds=ago)
    Operation.objects.filter(guest=guest).update(state=state, after=after, ended_at=ended)


def test_they_are_asked_one_after_another_in_their_order_with_their_waits(
    host: Host, lease: Lease, booted: HostBoot
) -> None:
    last, first, second = off(host, "last", 7), off(host, "first", 1, wait=60), off(host, "second", 2, wait=60)
    make_guest(host, "unlisted", state="shut-off")
    off(host, "runs", 1, state="running")
    start_what_is_due(lease)
    asked = Operation.objects.get()
    assert (asked.guest, asked.kind, asked.asked_by, asked.asked_by_name) == (
        first,
        "start_with_host",
        None,
        "Guesthouse",
    )
    assert AuditRecord.objects.get(action="guest.start_with_host").user_name == "Guesthouse"
    start_what_is_due(lease)
    assert Operation.objects.count() == 1  # it is not over
    end(first, started=True)
    assert 50 < (start_what_is_due(lease) or 0) <= 60
    end(first, started=True, ago=61)
    start_what_is_due(lease)
    end(second, OperationState.FAILED)  # nobody waits for what did not start
    start_what_is_due(lease)
    assert Operation.objects.filter(guest=last).exists()
    end(last, started=True)
    start_what_is_due(lease)
    assert boot_of(host).over_at is not None
    start_what_is_due(lease)
    assert Operation.objects.count() == 3


def test_nothing_goes_on_where_the_worker_was_away_for_long(host: Host, lease: Lease, booted: HostBoot) -> None:
    first = off(host, "first", 1)
    off(host, "second", 2)
    start_what_is_due(lease)
    end(first, started=True, ago=LATEST.total_seconds() + 1)
    start_what_is_due(lease)
    assert Operation.objects.count() == 1
    assert boot_of(host).over_at is not None


def test_nobody_can_ask_for_such_a_start(host: Host) -> None:
    guest = off(host, "web", 1)
    with pytest.raises(PermissionDenied):
        ask("start_with_host", guest, by=person("ada", superuser=True), key=new_key())
    assert not Operation.objects.exists()
