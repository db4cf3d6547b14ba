from __future__ import annotations

import time
from uuid import UUID, uuid4

import pytest

from guests.inventory.host_inventory import HostInventory
from guests.inventory.leases import take_leases
from guests.inventory.mac_uses import duplicate_macs
from guests.inventory.models import Guest, Host, MACUse
from guests.resources import NIC, GuestState
from tests.guests.inventory.values import definition, guest

A, B = "52:54:00:00:00:0a", "52:54:00:00:00:0b"


def nic(mac: str) -> NIC:
    return NIC(mac, "network", "lan", "virtio", "vnet0")


@pytest.fixture
def hosts(db: None) -> tuple[HostInventory, HostInventory]:
    for name in ("alpha", "beta"):
        Host.objects.create(name=name, uri=f"test:///{name}")
    leases = {lease.host_id: lease for lease in take_leases("me")}
    alpha, beta = (HostInventory(leases[Host.objects.get(name=name).pk]) for name in ("alpha", "beta"))
    return alpha, beta


def read(inventory: HostInventory, name: str, *macs: str, uuid: UUID | None = None) -> UUID:
    found = guest(uuid or uuid4(), name=name, nics=tuple(map(nic, macs)))
    inventory.refresh(found, time.monotonic())
    return found.uuid


def held() -> list[tuple[str, str]]:
    return sorted(MACUse.objects.values_list("guest__name", "mac"))


def test_a_guest_s_macs_are_those_of_now_and_of_its_next_boot(hosts: tuple[HostInventory, HostInventory]) -> None:
    key = uuid4()
    later = definition(key, nics=(nic(A), nic(B)))
    hosts[0].refresh(guest(key, name="web-1", nics=(nic(A),), next_boot=later), time.monotonic())
    assert held() == [("web-1", A), ("web-1", B)]
    assert Guest.objects.get().macs == f"{A} {B}"
    read(hosts[0], "web-1", B, uuid=key)
    assert held() == [("web-1", B)]


def test_the_same_mac_on_another_host_is_a_duplicate_of_both_since_it_was_seen(
    hosts: tuple[HostInventory, HostInventory],
) -> None:
    read(hosts[0], "web-1", A)
    read(hosts[0], "db-1", B)
    assert duplicate_macs() == []
    before = Guest.objects.get(name="web-1").revision
    read(hosts[1], "clone-1", A)
    (found,) = duplicate_macs()
    assert (found.mac, [g.name for g in found.guests]) == (A, ["web-1", "clone-1"])
    assert found.since == MACUse.objects.get(guest__name="clone-1").since
    assert Guest.objects.get(name="web-1").revision > before  # its page hears of it
    assert duplicate_macs([B]) == []


def test_a_guest_that_went_away_holds_no_mac(hosts: tuple[HostInventory, HostInventory]) -> None:
    read(hosts[0], "web-1", A)
    clone = read(hosts[1], "clone-1", A)
    hosts[1].lose(clone, time.monotonic())
    assert held() == [("web-1", A)]
    assert duplicate_macs() == []


def test_one_guest_on_two_hosts_is_a_conflict_and_no_duplicate(hosts: tuple[HostInventory, HostInventory]) -> None:
    key = read(hosts[0], "web-1", A)
    hosts[1].refresh(
        guest(key, name="web-1", nics=(nic(A),), state=GuestState.SHUT_OFF, domain_id=None), time.monotonic()
    )
    assert duplicate_macs() == []


def test_the_first_write_of_a_worker_sees_to_what_an_earlier_one_left(
    hosts: tuple[HostInventory, HostInventory],
) -> None:
    read(hosts[0], "web-1", A)
    MACUse.objects.all().delete()
    again = HostInventory(hosts[0].lease)
    read(again, "db-1", B)
    assert held() == [("db-1", B), ("web-1", A)]


def test_duplicates_cost_two_queries_however_many_there_are(
    hosts: tuple[HostInventory, HostInventory], django_assert_num_queries: pytest.FixtureRequest
) -> None:
    for number in range(12):
        read(hosts[number % 2], f"web-{number}", f"52:54:00:00:00:{number // 2:02x}")
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert len(duplicate_macs()) == 6
