from __future__ import annotations

from uuid import uuid4

from guests.inventory.samples import CPUHistory, rates_between
from guests.resources import DiskUsage, NICUsage
from tests.guests.inventory.values import sample

WEB = uuid4()


def test_rates_are_per_second_and_cpu_is_of_all_vcpus() -> None:
    earlier = sample(WEB, 100.0)
    now = sample(
        WEB,
        102.0,
        cpu_time_ns=2 * 10**9,
        vcpus_current=2,
        disks=(DiskUsage("vda", 4096, 8192, 10**9, 10**8),),
        nics=(NICUsage("vnet0", 1000, 500),),
    )
    rates = rates_between(earlier, now)
    assert rates.cpu_percent == 50.0
    assert (rates.disk_read, rates.disk_written) == (2048.0, 4096.0)
    assert (rates.received, rates.sent) == (500.0, 250.0)
    assert rates.disks[0]["read_rate"] == 2048.0
    assert rates.nics[0]["sent_rate"] == 250.0


def test_without_an_earlier_sample_nothing_is_known_but_counters_are() -> None:
    rates = rates_between(None, sample(WEB, 1.0))
    assert rates.cpu_percent is None
    assert rates.disk_read is None
    assert rates.disks[0]["capacity_bytes"] == 10**9
    assert rates.disks[0]["read_rate"] is None


def test_a_guest_that_restarted_has_no_rates_until_its_next_sample() -> None:
    earlier = sample(WEB, 1.0, cpu_time_ns=5, domain_id=1)
    restarted = sample(WEB, 2.0, cpu_time_ns=10**9, domain_id=2)
    assert rates_between(earlier, restarted).cpu_percent is None
    assert rates_between(restarted, sample(WEB, 3.0, cpu_time_ns=10**9, domain_id=2)).cpu_percent == 0.0


def test_a_counter_that_went_back_is_not_known_and_the_others_are() -> None:
    earlier = sample(WEB, 1.0, disks=(DiskUsage("vda", 9000, 0, 1, 1), DiskUsage("vdb", 0, 0, 1, 1)))
    now = sample(WEB, 2.0, disks=(DiskUsage("vda", 10, 7, 1, 1), DiskUsage("vdb", 30, 0, 1, 1)))
    rates = rates_between(earlier, now)
    assert rates.disks[0]["read_rate"] is None
    assert rates.disk_read == 30.0
    assert rates.disk_written == 7.0


def test_a_counter_that_the_driver_does_not_have_stays_unknown() -> None:
    nothing = NICUsage("vnet0", None, None)
    rates = rates_between(sample(WEB, 1.0, nics=(nothing,)), sample(WEB, 2.0, nics=(nothing,)))
    assert rates.received is None


def test_cpu_never_exceeds_a_hundred_percent() -> None:
    rates = rates_between(sample(WEB, 1.0), sample(WEB, 2.0, cpu_time_ns=1_020_000_000))
    assert rates.cpu_percent == 100.0


def test_the_clock_standing_still_gives_no_rate() -> None:
    assert rates_between(sample(WEB, 1.0), sample(WEB, 1.0, cpu_time_ns=5)).cpu_percent is None


def test_history_has_one_number_a_minute_and_a_moving_last_one() -> None:
    history = CPUHistory()
    assert history.add(10.0, 100) == "10"
    assert history.add(20.0, 100) == "15"
    assert history.add(40.0, 101) == "15,40"
    assert history.add(None, 102) == "15,40,"
    assert history.add(5.0, 104) == "15,40,,,5"


def test_history_keeps_an_hour() -> None:
    history = CPUHistory()
    for minute in range(90):
        text = history.add(float(minute), minute)
    numbers = text.split(",")
    assert len(numbers) == 60
    assert (numbers[0], numbers[-1]) == ("30", "89")


def test_history_goes_on_from_what_a_row_holds() -> None:
    assert CPUHistory("7,8", 50).add(9.0, 51) == "7,8,9"
    assert CPUHistory("7,8", 50).add(9.0, 53) == "7,8,,,9"
    assert CPUHistory("7,8", 50).add(9.0, 500) == "9"


def test_a_history_of_nothing_is_empty_so_that_rows_of_stopped_guests_do_not_change() -> None:
    history = CPUHistory()
    assert {history.add(None, minute) for minute in range(70)} == {""}
