from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.utils import timezone

from dashboard.environment import env_mac_pools
from guests.errors import OperationRefused
from guests.inventory.models import Guest, MACUse
from guests.operations.mac_pools import pool_uses, pools_for, reserve_mac
from guests.operations.models import MACReservation
from tests.guests.inventory_rows import make_guest, make_host

TINY = ("tiny", 0x525400A00000, 0x525400A00003)


@pytest.fixture
def web(db: None) -> Guest:
    return make_guest(make_host(driver="QEMU"), "web-1")


def test_each_driver_has_its_own_range_of_16_million(web: Guest) -> None:
    assert reserve_mac(web).startswith("52:54:00:")
    dom = make_guest(make_host("xen-1", driver="Xen"), "pv-1")
    assert reserve_mac(dom).startswith("00:16:3e:")
    assert {pool.size for driver in ("QEMU", "Xen") for pool in pools_for(driver)} == {2**24}


def test_the_operator_s_ranges_come_first_and_are_filled_to_the_last(web: Guest, settings: Any) -> None:
    settings.MAC_POOLS = [TINY]
    MACUse.objects.create(guest=make_guest(web.host, "db-1"), mac="52:54:00:a0:00:02")
    taken = {reserve_mac(web) for _ in range(3)}
    assert taken == {f"52:54:00:a0:00:0{n}" for n in (0, 1, 3)}
    with pytest.raises(OperationRefused, match="no free MAC"):
        reserve_mac(web)


def test_a_typed_mac_is_refused_where_a_guest_of_any_host_has_it_or_it_was_promised(web: Guest) -> None:
    far = make_guest(make_host("far"), "far-1")
    MACUse.objects.create(guest=far, mac="52:54:00:00:00:01")
    with pytest.raises(OperationRefused, match="Another guest has this MAC") as refusal:
        reserve_mac(web, "52:54:00:00:00:01")
    assert "far-1" not in str(refusal.value)  # perhaps a guest that the asker may not see
    MACUse.objects.create(guest=web, mac="52:54:00:00:00:02")
    with pytest.raises(OperationRefused, match="This guest has this MAC"):
        reserve_mac(web, "52:54:00:00:00:02")
    assert reserve_mac(web, "52:54:00:00:00:03") == "52:54:00:00:00:03"
    assert reserve_mac(web, "52:54:00:00:00:03") == "52:54:00:00:00:03"  # the same form once more
    with pytest.raises(OperationRefused, match="just now"):
        reserve_mac(far, "52:54:00:00:00:03")


def test_a_promise_is_kept_for_an_hour(web: Guest, settings: Any) -> None:
    settings.MAC_POOLS = [("one", 0x525400A00000, 0x525400A00000)]
    mac = reserve_mac(web)
    with pytest.raises(OperationRefused):
        reserve_mac(web)
    MACReservation.objects.update(reserved_at=timezone.now() - timedelta(hours=2))
    assert reserve_mac(web) == mac


@pytest.mark.django_db(transaction=True)
def test_of_many_who_ask_at_once_no_two_get_the_same(settings: Any) -> None:
    settings.MAC_POOLS = [("small", 0x525400A00000, 0x525400A0001F)]
    web = make_guest(make_host(driver="QEMU"), "web-1")
    got: list[str] = []
    together = threading.Barrier(8)

    def take() -> None:
        together.wait()
        try:
            got.extend(reserve_mac(web) for _ in range(4))
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(got) == 32 == len(set(got))


def test_how_full_a_pool_is_and_the_odds_of_drawing_blindly(web: Guest) -> None:
    MACUse.objects.bulk_create([MACUse(guest=web, mac=f"52:54:00:00:{n >> 8:02x}:{n & 255:02x}") for n in range(580)])
    qemu = next(use for use in pool_uses() if use.pool.name == "QEMU/KVM")
    assert qemu.used == 580
    assert qemu.odds_percent == "1"  # the birthday bound: 580 of 2^24
    assert next(use for use in pool_uses() if use.pool.name == "Xen").odds_percent == "0"


@pytest.mark.parametrize(
    "text",
    [
        "lab",
        "lab=52:54:00:a0:00:00",
        "lab=52:54:00:a0:00:09-52:54:00:a0:00:00",
        "lab=01:54:00:a0:00:00-01:54:00:a0:00:09",
        "=52:54:00:a0:00:00-52:54:00:a0:00:09",
    ],
)
def test_a_range_that_is_none_is_told_at_the_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUESTHOUSE_MAC_POOLS", text)
    with pytest.raises(ImproperlyConfigured, match="GUESTHOUSE_MAC_POOLS"):
        env_mac_pools("GUESTHOUSE_MAC_POOLS")


def test_ranges_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUESTHOUSE_MAC_POOLS", "tiny=52:54:00:A0:00:00-52:54:00:a0:00:03")
    assert env_mac_pools("GUESTHOUSE_MAC_POOLS") == [TINY]
