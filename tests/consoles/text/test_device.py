"""The state machine of a device, over a fake byte stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from consoles.text import device as device_module
from consoles.text.device import Device, GuestIsOff
from guests.errors import DeviceBusy, HypervisorUnreachable, NotSupported
from tests.consoles.text.fake_stream import FakeHost, Onlooker, until


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest_asyncio.fixture
async def device(host: FakeHost) -> AsyncIterator[Device]:
    device = Device(host.attach, detach_seconds=0.1)
    yield device
    device.watchers.clear()
    await device.close()


async def live(device: Device) -> Onlooker:
    onlooker = Onlooker(device)
    device.join(onlooker)
    await until(lambda: device.state == "live")
    return onlooker


async def test_attaches_with_the_first_viewer_and_lets_go_a_while_after_the_last(
    device: Device, host: FakeHost
) -> None:
    assert (device.state, host.attempts) == ("idle", 0)
    first, second = await live(device), Onlooker(device)
    device.join(second)
    device.leave(first)
    await asyncio.sleep(0.2)
    assert (device.state, host.attempts) == ("live", 1)
    device.leave(second)
    await until(lambda: device.state == "idle")
    assert host.stream.closed


async def test_somebody_who_comes_back_in_time_keeps_it_attached(device: Device, host: FakeHost) -> None:
    first = await live(device)
    device.leave(first)
    device.join(first)
    await asyncio.sleep(0.2)
    assert (device.state, host.attempts) == ("live", 1)


async def test_a_guest_that_is_off_is_attached_when_it_starts(device: Device, host: FakeHost) -> None:
    host.refuse_with = GuestIsOff("off")
    onlooker = Onlooker(device)
    device.join(onlooker)
    await until(lambda: device.state == "off")
    host.refuse_with = None
    device.try_again()
    await until(lambda: device.state == "live", seconds=1)
    assert [mark.kind for mark in device.ring.marks_after(0)] == ["started"]


async def test_a_guest_that_stops_is_off_and_keeps_its_past(device: Device, host: FakeHost) -> None:
    await live(device)
    host.stream.says(b"Power down.\r\n")
    host.refuse_with = GuestIsOff("off")
    host.stream.on_end("stopped")
    await until(lambda: device.state == "off")
    assert device.ring.read(0, 99) == b"Power down.\r\n"
    assert [mark.kind for mark in device.ring.marks_after(0)] == ["stopped"]


async def test_a_reboot_is_a_mark_and_nothing_else(device: Device, host: FakeHost) -> None:
    await live(device)
    for _ in range(3):  # QEMU sends up to three events for one reset
        device.guest_rebooted()
    assert [mark.kind for mark in device.ring.marks_after(0)] == ["rebooted"]
    assert (device.state, host.attempts) == ("live", 1)


async def test_a_device_held_elsewhere_is_busy_and_taken_when_it_is_free(
    device: Device, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(device_module.AGAIN_SECONDS, device_module.DeviceState.BUSY, 0.05)
    host.refuse_with = DeviceBusy("held")
    device.join(Onlooker(device))
    await until(lambda: device.state == "busy")
    host.refuse_with = None
    await until(lambda: device.state == "live")


async def test_a_device_that_was_taken_from_us_is_busy_at_once(device: Device, host: FakeHost) -> None:
    await live(device)
    host.refuse_with = DeviceBusy("held")
    host.stream.on_end("taken")
    await until(lambda: device.state == "busy", seconds=0.5)


async def test_a_device_that_is_held_is_taken_by_force_once_and_never_fought_for(
    device: Device, host: FakeHost
) -> None:
    host.refuse_with = DeviceBusy("held")
    device.join(Onlooker(device))
    await until(lambda: device.state == "busy")
    assert device.take_over()
    await until(lambda: device.state == "live", seconds=1)
    assert (host.forced, [mark.kind for mark in device.ring.marks_after(0)]) == (1, ["taken_over"])
    assert not device.take_over(), "nobody else holds it"
    host.refuse_with = DeviceBusy("held")
    host.stream.on_end("taken")
    await until(lambda: device.state == "busy")
    await asyncio.sleep(0.2)
    assert (device.state, host.forced) == ("busy", 1)


async def test_a_restarted_libvirtd_that_still_calls_it_held_is_not_believed(device: Device, host: FakeHost) -> None:
    onlooker = await live(device)
    host.refuse_with = DeviceBusy("held")
    host.stream.on_end("lost")
    await until(lambda: host.attempts >= 2)
    host.refuse_with = None
    await until(lambda: device.state == "live")
    assert "busy" not in onlooker.states


async def test_a_host_that_is_away_is_lost_and_tried_again(device: Device, host: FakeHost) -> None:
    onlooker = await live(device)
    host.stream.says(b"x")
    host.refuse_with = HypervisorUnreachable("away")
    device.host_lost()
    await until(lambda: device.state == "lost")
    host.refuse_with = None
    await until(lambda: device.state == "live")
    assert onlooker.states == ["attaching", "live", "lost", "live"]
    assert [mark.kind for mark in device.ring.marks_after(0)] == ["reattached"]


async def test_a_fault_of_ours_is_tried_again_with_a_pause(device: Device, host: FakeHost) -> None:
    host.refuse_with = RuntimeError("a fault")
    device.join(Onlooker(device))
    await asyncio.sleep(0.4)
    assert device.state == "lost"
    assert host.attempts <= 2


async def test_a_console_that_is_not_there_is_missing(device: Device, host: FakeHost) -> None:
    host.refuse_with = NotSupported("none")
    device.join(Onlooker(device))
    await until(lambda: device.state == "missing")


async def test_output_of_an_earlier_stream_is_not_taken(device: Device, host: FakeHost) -> None:
    await live(device)
    old = host.stream
    old.on_end("lost")
    await until(lambda: len(host.streams) == 2)
    old.says(b"late")
    assert device.ring.end == 0


async def test_what_is_typed_goes_out_in_small_sends(device: Device, host: FakeHost) -> None:
    await live(device)
    assert device.type(b"a" * 5000) == 5000
    await until(lambda: len(host.stream.typed) == 5000)
    assert max(map(len, host.stream.sends)) <= 1024


async def test_a_guest_that_does_not_read_takes_256_kib_and_no_more(device: Device, host: FakeHost) -> None:
    await live(device)
    host.stream.reads.clear()
    taken = sum(device.type(b"a" * 65536) for _ in range(10))
    assert taken == 256 * 1024
    assert device.type(b"more") == 0
    host.stream.reads.set()


async def test_nothing_is_typed_while_it_is_not_live(device: Device, host: FakeHost) -> None:
    host.refuse_with = GuestIsOff("off")
    device.join(Onlooker(device))
    await until(lambda: device.state == "off")
    assert device.type(b"x") == 0


async def test_a_lone_echo_is_told_at_once_and_a_flood_in_beats(device: Device, host: FakeHost) -> None:
    onlooker = await live(device)
    began = time.monotonic()
    await asyncio.to_thread(host.stream.on_data, b"x")
    await until(lambda: onlooker.outputs)
    assert onlooker.outputs[0] - began < 0.05
    onlooker.outputs.clear()

    def flood() -> None:
        for _ in range(1000):
            host.stream.on_data(b"0123456789")
            time.sleep(0.0002)

    began = time.monotonic()
    await asyncio.to_thread(flood)
    seconds = time.monotonic() - began
    await asyncio.sleep(0.05)
    assert device.ring.end == 10_001
    assert len(onlooker.outputs) < seconds / 0.008 + 3
