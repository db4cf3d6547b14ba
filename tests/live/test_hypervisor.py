"""guests/hypervisor against real QEMU guests: reading, stats, resizing, power, events, consoles, graphics."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from guests.errors import DeviceBusy, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.events import subscribe
from guests.hypervisor.graphics import open_graphics
from guests.hypervisor.reading import get_guest, host_facts, list_guests, list_stats
from guests.hypervisor.writing import (
    force_off,
    pause,
    reset,
    resume,
    set_current_memory,
    set_maximum_memory,
    set_maximum_vcpus,
    set_vcpus,
    shut_down,
    start,
)
from guests.resources import EventKind, GuestEvent, GuestState, GuestStats
from tests.guests.hypervisor.recording import recorded
from tests.labs.lab import Lab
from tests.live.hypervisor_guest import BANNER, Terminal, own_guest, until

pytestmark = pytest.mark.live

MIB = 1024


@pytest.fixture(scope="module")
def host(lab_of_session: Lab) -> Iterator[Connection]:
    lab_of_session.restore()
    connection = open_connection(lab_of_session.uri)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def guest(host: Connection) -> Iterator[UUID]:
    """A guest that runs and has booted; tests leave it running."""
    with own_guest(host, "hypervisor-1") as uuid:
        start(host, uuid)
        terminal = Terminal(host, uuid)
        terminal.expect(BANNER, 60)
        terminal.stream.close()
        yield uuid


def stats_of(host: Connection, uuid: UUID) -> GuestStats:
    return next(sample for sample in list_stats(host) if sample.uuid == uuid)


def test_tells_what_the_host_is(host: Connection) -> None:
    facts = host_facts(host)
    assert facts.driver == "QEMU"
    assert facts.cpus == os.cpu_count()
    total_kib = int(Path("/proc/meminfo").read_text().split()[1])
    assert abs(facts.memory_kib - total_kib) < total_kib * 0.02
    assert facts.free_memory_kib is not None
    assert 0 < facts.free_memory_kib < facts.memory_kib
    assert facts.is_local


def test_reads_a_running_guest_with_all_its_devices(host: Connection, guest: UUID) -> None:
    found = get_guest(host, guest)
    assert (found.name, found.state, found.persistent) == ("hypervisor-1", GuestState.RUNNING, True)
    assert found.domain_id is not None
    assert found.live is not None
    assert found.live.memory.maximum_kib == 256 * MIB
    assert found.live.vcpus.maximum == 3
    assert [console.device for console in found.live.text_consoles].count("serial0") == 1
    assert found.live.text_consoles[0].alias == "serial0"
    assert [graphics.kind for graphics in found.live.graphics] == ["vnc"]
    assert found.live.balloon
    assert found.next_boot is not None
    assert get_guest(host, guest, snapshots=True) in list_guests(host)


def test_asks_for_the_stats_of_all_guests_in_one_call(host: Connection, guest: UUID) -> None:
    with recorded(host) as calls:
        samples = list_stats(host)
    assert calls == ["getAllDomainStats"]
    assert len(samples) >= 2
    sample = next(sample for sample in samples if sample.uuid == guest)
    assert sample.cpu_time_ns is not None
    assert sample.cpu_time_ns > 0
    assert sample.vcpus_current is not None
    until(lambda: stats_of(host, guest).usable_kib, 10, "the balloon's statistics")


def test_lists_guests_with_constant_calls_and_the_xml_of_each(host: Connection, guest: UUID) -> None:
    with recorded(host) as calls:
        guests = list_guests(host)
    definitions = sum((g.live is not None) + (g.next_boot is not None) for g in guests)
    assert calls.count("XMLDesc") == definitions
    assert len(calls) == definitions + 6  # five listings and one bulk state


def test_moves_the_balloon_and_hears_it_move(host: Connection, guest: UUID) -> None:
    events: list[GuestEvent] = []
    end = subscribe(host, events.append)
    try:
        set_current_memory(host, guest, 160 * MIB, live=True, next_boot=False)
        until(lambda: stats_of(host, guest).balloon_current_kib == 160 * MIB, 15, "the balloon at 160 MiB")
        until(lambda: [e for e in events if e.kind is EventKind.BALLOON and e.kib == 160 * MIB], 5, "its event")
        set_current_memory(host, guest, 256 * MIB, live=True, next_boot=True)
        until(lambda: stats_of(host, guest).balloon_current_kib == 256 * MIB, 15, "the balloon at 256 MiB")
    finally:
        end()
    after = get_guest(host, guest)
    assert after.next_boot is not None
    assert after.next_boot.memory.current_kib == 256 * MIB


def test_refuses_memory_above_the_maximum_before_libvirt_is_asked(host: Connection, guest: UUID) -> None:
    with recorded(host) as calls, pytest.raises(OperationRefused, match="at most 256 MiB"):
        set_current_memory(host, guest, 257 * MIB, live=True, next_boot=False)
    assert "setMemoryFlags" not in calls


def test_sets_the_maximum_memory_for_the_next_boot_and_lowers_the_current_with_it(
    host: Connection, guest: UUID
) -> None:
    live = get_guest(host, guest).live
    set_maximum_memory(host, guest, 512 * MIB)
    set_maximum_memory(host, guest, 128 * MIB)
    found = get_guest(host, guest)
    assert found.next_boot is not None
    assert (found.next_boot.memory.current_kib, found.next_boot.memory.maximum_kib) == (128 * MIB, 128 * MIB)
    assert found.live is not None
    assert live is not None
    assert found.live.memory.maximum_kib == live.memory.maximum_kib
    set_maximum_memory(host, guest, 256 * MIB)


def test_brings_vcpus_in_live_and_the_guest_counts_them(host: Connection, guest: UUID) -> None:
    terminal = Terminal(host, guest)
    try:
        set_vcpus(host, guest, 2, live=True, next_boot=False)
        until(lambda: terminal.answer_to("nproc") == "2", 20, "two processors in the guest")
    finally:
        terminal.stream.close()
    with recorded(host) as calls, pytest.raises(OperationRefused, match="next boot only"):
        set_vcpus(host, guest, 1, live=True, next_boot=False)
    assert "setVcpusFlags" not in calls
    set_vcpus(host, guest, 3, live=False, next_boot=True)
    set_maximum_vcpus(host, guest, 2)
    found = get_guest(host, guest)
    assert found.next_boot is not None
    assert (found.next_boot.vcpus.current, found.next_boot.vcpus.maximum) == (2, 2)


def test_pauses_resumes_and_hears_of_it_at_once(host: Connection, guest: UUID) -> None:
    events: list[tuple[float, str]] = []
    end = subscribe(host, lambda event: events.append((time.monotonic(), event.detail)))
    try:
        asked = time.monotonic()
        pause(host, guest)
        until(lambda: [e for e in events if e[1] == "suspended"], 5, "the event")
        assert events[0][0] - asked < 0.5
        assert get_guest(host, guest).state is GuestState.PAUSED
        with pytest.raises(OperationRefused, match="paused already"):
            pause(host, guest)
        resume(host, guest)
        assert get_guest(host, guest).state is GuestState.RUNNING
        until(lambda: [e for e in events if e[1] == "resumed"], 5, "the event")
    finally:
        end()
    pause(host, guest)
    resume(host, guest)
    assert [e[1] for e in events] == ["suspended", "resumed"]


def test_a_text_console_carries_what_is_typed_and_survives_a_reset(host: Connection, guest: UUID) -> None:
    terminal = Terminal(host, guest)
    try:
        assert terminal.answer_to("echo $((6*7))") == "42"
        terminal.received.clear()
        reset(host, guest)
        terminal.expect(BANNER, 60)
        assert terminal.ends == []
    finally:
        terminal.stream.close()
    assert terminal.ends == []


def test_a_text_console_is_busy_until_somebody_forces_it_away(host: Connection, guest: UUID) -> None:
    first = Terminal(host, guest)
    with pytest.raises(DeviceBusy) as refused:
        Terminal(host, guest)
    assert "open on the host" in str(refused.value)
    second = Terminal(host, guest, force=True)
    until(lambda: first.ends, 5, "the end of the first")
    assert first.ends == ["taken"]
    assert second.answer_to("echo $((7*7))") == "49"
    second.stream.close()
    Terminal(host, guest).stream.close()  # nobody holds it any more


def test_an_unknown_text_console_is_named_as_missing(host: Connection, guest: UUID) -> None:
    with pytest.raises(NotSupported, match="serial device"):
        Terminal(host, guest, alias="serial7")


def test_opening_and_closing_text_consoles_leaks_no_descriptor(host: Connection, guest: UUID) -> None:
    Terminal(host, guest).stream.close()
    gc.collect()
    before = descriptors()
    for _ in range(30):
        Terminal(host, guest).stream.close()
    gc.collect()
    assert descriptors() <= before + 1


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_hands_over_a_socket_that_speaks_rfb(host: Connection, guest: UUID) -> None:
    connected = open_graphics(host, guest)
    with connected:
        connected.settimeout(10)
        assert connected.recv(12) == b"RFB 003.008\n"
        connected.sendall(b"RFB 003.008\n")
        assert connected.recv(2) == b"\x01\x01"  # one security type: none, as SKIPAUTH promises
    with pytest.raises(NotSupported, match="no graphics device"):
        open_graphics(host, guest, 1)


def test_a_guest_that_shuts_down_ends_its_text_console(host: Connection) -> None:
    with own_guest(host, "hypervisor-2") as uuid:
        with pytest.raises(OperationRefused, match="does not run"):
            Terminal(host, uuid)
        with pytest.raises(OperationRefused, match="no screen"):
            open_graphics(host, uuid)
        with pytest.raises(OperationRefused, match="only its next boot"):
            set_current_memory(host, uuid, 128 * MIB, live=True, next_boot=False)
        start(host, uuid)
        with pytest.raises(OperationRefused, match="already runs"):
            start(host, uuid)
        terminal = Terminal(host, uuid)
        terminal.expect(BANNER, 60)
        shut_down(host, uuid)
        until(lambda: terminal.ends, 30, "the end of the text console")
        assert terminal.ends == ["stopped"]
        until(lambda: get_guest(host, uuid).state is GuestState.SHUT_OFF, 10, "shut off")
        assert get_guest(host, uuid).reason == "shutdown"
        with pytest.raises(OperationRefused, match="closed"):
            terminal.stream.send(b"x")
        with pytest.raises(OperationRefused, match="shut off already"):
            force_off(host, uuid)


def test_a_guest_that_hangs_does_not_hold_up_the_stats_of_the_others(host: Connection, guest: UUID, lab: Lab) -> None:
    with own_guest(host, "hypervisor-3") as uuid:
        start(host, uuid)
        pid = qemu_pid(uuid)
        os.kill(pid, signal.SIGSTOP)
        connection = open_connection(lab.uri)
        try:
            time.sleep(0.5)
            until(lambda: slow(connection), 30, "a bulk call that is held up")
            began = time.monotonic()
            samples = {sample.uuid: sample for sample in list_stats(connection)}
            assert time.monotonic() - began < 7
            assert samples[guest].cpu_time_ns
            assert samples[uuid].cpu_time_ns is None
            assert samples[uuid].state is GuestState.RUNNING
            began = time.monotonic()
            assert uuid in {found.uuid for found in list_guests(connection)}
            assert time.monotonic() - began < 5
            os.kill(pid, signal.SIGCONT)
            until(lambda: not slow(connection), 40, "the end of the held call")
            assert stats_of(connection, uuid).cpu_time_ns
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            connection.close()


def slow(connection: Connection) -> bool:
    """Whether a stats call has been left behind and still hangs."""
    list_stats(connection, bulk_s=2)
    return connection.has_hung_guest


def qemu_pid(uuid: UUID) -> int:
    """The QEMU of a guest, found by its UUID among our own guests' arguments."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                if b"qemu" in arguments[0] and str(uuid).encode() in arguments:
                    return int(entry.name)
    raise AssertionError(f"no QEMU for {uuid}")
