from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from guests.inventory.host_rows import sync_hosts, write_host_state
from guests.inventory.leases import LeaseLost, fenced, owners, release_leases, renew_leases, take_leases
from guests.inventory.models import Guest, Host, HostLease, HostState
from guests.worker.owner import is_dead, own_name


def hosts(*names: str) -> None:
    for name in names:
        Host.objects.create(name=name, uri="test:///default")


def test_a_host_is_taken_once(db: None) -> None:
    hosts("a", "b")
    assert len(take_leases("first")) == 2
    assert take_leases("second") == []
    assert owners() == {"first"}


def test_an_expired_lease_is_taken_with_a_higher_epoch_and_fences_its_old_owner(db: None) -> None:
    hosts("a")
    (old,) = take_leases("first")
    HostLease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    (new,) = take_leases("second")
    assert new.epoch == old.epoch + 1
    assert renew_leases([old]) == set()
    with pytest.raises(LeaseLost), fenced(old):
        Host.objects.update(message="stale")
    with pytest.raises(LeaseLost):
        write_host_state(old, HostState.UNREACHABLE)
    assert Host.objects.get().message == ""
    with fenced(new):
        Host.objects.update(message="fresh")


def test_what_was_written_before_the_lease_went_is_rolled_back(db: None) -> None:
    hosts("a")
    (lease,) = take_leases("first")
    with pytest.raises(RuntimeError), fenced(lease):
        Host.objects.update(message="half")
        raise RuntimeError
    assert Host.objects.get().message == ""


def test_a_renewed_lease_lasts_and_a_released_one_is_free_at_once(db: None) -> None:
    hosts("a")
    (lease,) = take_leases("first")
    HostLease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert renew_leases([lease]) == {lease.host_id}
    assert take_leases("second") == []
    release_leases([lease])
    (successor,) = take_leases("second")
    assert successor.epoch > lease.epoch


def test_hosts_of_an_owner_known_to_be_dead_are_taken_at_once(db: None) -> None:
    hosts("a")
    take_leases("dead")
    assert len(take_leases("next", dead_owners=frozenset({"dead"}))) == 1


def test_a_worker_of_this_machine_is_dead_when_its_process_is(db: None) -> None:
    mine = own_name()
    assert not is_dead(mine)
    place, _pid, started, token = mine.rsplit("/", 3)
    assert is_dead(f"{place}/4194303/{started}/{token}")
    assert is_dead(f"{place}/{_pid}/1/{token}")  # the number was given to another process
    assert not is_dead(f"elsewhere/{_pid}/1/{token}")
    assert not is_dead("what is this")


@pytest.mark.django_db(transaction=True)
def test_workers_that_race_for_hosts_share_them_without_overlap() -> None:
    hosts(*(f"h{number}" for number in range(12)))
    taken: dict[str, list[object]] = {}
    barrier = threading.Barrier(4)

    def race(owner: str) -> None:
        barrier.wait()
        taken[owner] = [lease.host_id for lease in take_leases(owner)]
        connection.close()

    threads = [threading.Thread(target=race, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    everything = [host for found in taken.values() for host in found]
    assert len(everything) == len(set(everything)) == 12


def test_hosts_follow_the_settings_and_a_removed_one_is_kept_switched_off(db: None) -> None:
    sync_hosts({"a": "test:///default", "b": "test:///default"})
    kept = Host.objects.get(name="b")
    uuid = kept.pk
    Guest.objects.create(id=uuid, uuid=uuid, host=kept, name="web-1")
    sync_hosts({"a": "qemu:///system"})
    kept.refresh_from_db()
    assert (kept.enabled, kept.state) == (False, HostState.DISABLED)
    assert Guest.objects.get().host == kept
    assert Host.objects.get(name="a").uri == "qemu:///system"
    assert [lease.host_id for lease in take_leases("me")] == [Host.objects.get(name="a").pk]
    sync_hosts({"a": "qemu:///system", "b": "test:///default"})
    kept.refresh_from_db()
    assert (kept.enabled, kept.state) == (True, HostState.CONNECTING)
