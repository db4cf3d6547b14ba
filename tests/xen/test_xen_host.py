"""guests/hypervisor against a real Xen host: libvirt's libxl driver lacks much of what QEMU's has."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from uuid import UUID

import libvirt
import pytest

from guests.errors import DeviceBusy, GuestNotFound, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.events import subscribe
from guests.hypervisor.graphics import open_graphics
from guests.hypervisor.reading import get_guest, host_facts, list_guests, list_stats
from guests.hypervisor.vcpu_tuning import Scheduling, scheduling, set_scheduling
from guests.hypervisor.writing import (
    force_off,
    pause,
    resume,
    set_current_memory,
    set_maximum_memory,
    set_vcpus,
    shut_down,
    start,
)
from guests.resources import GuestEvent, GuestState, Virtualisation
from tests.guests.hypervisor.recording import recorded
from tests.live.hypervisor_guest import Terminal, until

pytestmark = pytest.mark.timeout(600)

MIB = 1024
DOMAIN_0 = UUID(int=0)
PV = UUID("5f3c1b0e-0000-4000-8000-00000000aa02")
DEFINITION = f"""
<domain type='xen'>
  <name>guesthouse-pv</name><uuid>{PV}</uuid>
  <memory unit='MiB'>160</memory><currentMemory unit='MiB'>128</currentMemory><vcpu current='1'>2</vcpu>
  <os>
    <type>linux</type><kernel>/var/lib/guest/vmlinuz</kernel><initrd>/var/lib/guest/initrd.gz</initrd>
    <cmdline>console=hvc0 quiet guest=guesthouse-pv</cmdline>
  </os>
  <devices>
    <console type='pty'><target type='xen'/></console>
    <graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>
  </devices>
</domain>
"""


@pytest.fixture(scope="module")
def guest(xen: Connection) -> Iterator[UUID]:
    """A para-virtualised guest that runs and has booted."""
    with contextlib.suppress(libvirt.libvirtError):
        xen.raw.lookupByUUIDString(str(PV)).destroy()
    domain = xen.raw.defineXML(DEFINITION)
    try:
        start(xen, PV)
        terminal = Terminal(xen, PV, alias=None)
        terminal.expect(b"is up on hvc0", 180)
        terminal.stream.close()
        yield PV
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            domain.destroy()
        domain.undefine()


def test_tells_what_the_xen_host_is(xen: Connection) -> None:
    facts = host_facts(xen)
    assert (facts.driver, facts.architecture, facts.is_local) == ("Xen", "x86_64", False)
    assert facts.hypervisor_version.startswith("4.")
    assert facts.free_memory_kib is not None
    assert 0 < facts.free_memory_kib < facts.memory_kib


def test_domain_0_is_the_privileged_para_virtualised_guest_with_id_0(xen: Connection) -> None:
    found = get_guest(xen, DOMAIN_0)
    assert (found.name, found.domain_id, found.privileged) == ("Domain-0", 0, True)
    assert found.definition.virtualisation is Virtualisation.PARA
    assert found.state in {GuestState.RUNNING, GuestState.IDLE}
    assert found.definition.memory.current_kib > 0


@pytest.mark.parametrize("change", [force_off, pause, shut_down])
def test_domain_0_keeps_its_power(xen: Connection, change: object) -> None:
    assert callable(change)
    with recorded(xen) as calls, pytest.raises(OperationRefused, match="the Xen host itself"):
        change(xen, DOMAIN_0)
    assert calls == ["lookupByUUIDString"]


def test_a_para_virtualised_guest_is_told_from_a_fully_virtualised_one(xen: Connection, guest: UUID) -> None:
    found = {g.uuid: g for g in list_guests(xen)}
    assert not found[guest].privileged
    assert found[guest].domain_id
    assert found[guest].definition.virtualisation is Virtualisation.PARA
    assert [(c.device, c.alias, c.target) for c in found[guest].definition.text_consoles] == [("console0", None, "xen")]
    assert DOMAIN_0 in found


def test_samples_without_the_bulk_call_and_learns_what_the_driver_lacks(xen: Connection, guest: UUID) -> None:
    list_stats(xen)
    assert "getAllDomainStats" in xen.lacks
    known = {g.uuid: g.live for g in list_guests(xen) if g.live}
    with recorded(xen) as calls:
        samples = {sample.uuid: sample for sample in list_stats(xen, known)}
    assert "getAllDomainStats" not in calls
    assert "XMLDesc" not in calls
    sample = samples[guest]
    assert sample.cpu_time_ns
    assert sample.balloon_current_kib == 128 * MIB
    assert sample.vcpus_current == 1
    assert sample.usable_kib is None  # Xen does not say what the guest uses


def test_moves_the_memory_of_a_running_guest(xen: Connection, guest: UUID) -> None:
    set_current_memory(xen, guest, 96 * MIB, live=True, next_boot=False)
    balloon = lambda: next(s for s in list_stats(xen) if s.uuid == guest).balloon_current_kib  # noqa: E731
    until(lambda: balloon() == 96 * MIB, 30, "96 MiB")
    set_current_memory(xen, guest, 128 * MIB, live=True, next_boot=True)
    until(lambda: balloon() == 128 * MIB, 30, "128 MiB")
    set_maximum_memory(xen, guest, 192 * MIB)
    found = get_guest(xen, guest)
    assert found.next_boot is not None
    assert found.next_boot.memory.maximum_kib == 192 * MIB
    with pytest.raises(OperationRefused, match="at most 160 MiB"):
        set_current_memory(xen, guest, 192 * MIB, live=True, next_boot=False)


def test_brings_a_vcpu_in_and_the_guest_counts_it(xen: Connection, guest: UUID) -> None:
    set_vcpus(xen, guest, 2, live=True, next_boot=False)
    terminal = Terminal(xen, guest, alias=None)
    try:
        until(lambda: terminal.answer_to("nproc", 60) == "2", 90, "two processors")
    finally:
        terminal.stream.close()
    assert next(s for s in list_stats(xen) if s.uuid == guest).vcpus_current == 2


def test_weight_and_cap_of_the_credit_scheduler_are_set_while_the_guest_runs(xen: Connection, guest: UUID) -> None:
    before = scheduling(xen, guest)
    assert (before.weight, before.cap_percent, before.vcpu_cap_percent) == (256, 0, None)
    set_scheduling(xen, guest, Scheduling(weight=512, cap_percent=50), live=True)
    assert scheduling(xen, guest) == Scheduling(512, 50)
    with pytest.raises(NotSupported, match="cannot be set for the next boot"):
        set_scheduling(xen, guest, Scheduling(weight=256), live=False)
    with pytest.raises(NotSupported, match="no such cap"):
        set_scheduling(xen, guest, Scheduling(vcpu_cap_percent=50), live=True)
    set_scheduling(xen, guest, Scheduling(weight=256, cap_percent=0), live=True)
    assert scheduling(xen, guest) == before


def test_the_text_console_is_opened_as_the_default_and_can_be_busy(xen: Connection, guest: UUID) -> None:
    terminal = Terminal(xen, guest, alias=None)
    try:
        assert terminal.answer_to("echo $((6*7))", 60) == "42"
        with pytest.raises(DeviceBusy):
            Terminal(xen, guest, alias=None)
        forced = Terminal(xen, guest, alias=None, force=True)
        until(lambda: terminal.ends, 20, "the end of the first")
        assert terminal.ends == ["taken"]
        forced.stream.close()
    finally:
        terminal.stream.close()


def test_vnc_inside_domain_0_is_refused_with_what_to_change(xen: Connection, guest: UUID) -> None:
    with pytest.raises(NotSupported, match="inside its host only"):
        open_graphics(xen, guest)


def test_pauses_resumes_stops_and_tells_by_events(xen: Connection, guest: UUID) -> None:
    events: list[GuestEvent] = []
    end = subscribe(xen, events.append)
    try:
        pause(xen, guest)
        assert get_guest(xen, guest).state is GuestState.PAUSED
        resume(xen, guest)
        assert get_guest(xen, guest).state in {GuestState.RUNNING, GuestState.IDLE}
        terminal = Terminal(xen, guest, alias=None)
        force_off(xen, guest)
        assert get_guest(xen, guest).state is GuestState.SHUT_OFF
        until(lambda: terminal.ends, 20, "the end of the text console")
        start(xen, guest)
        until(lambda: [e for e in events if e.detail == "started"], 20, "the event of the start")
    finally:
        end()
    assert [e.detail for e in events if e.uuid == guest][:3] == ["suspended", "resumed", "stopped"]


def test_an_unknown_guest_is_not_found(xen: Connection) -> None:
    with pytest.raises(GuestNotFound):
        get_guest(xen, UUID(int=7))


def test_a_para_virtualised_guest_shuts_down_when_asked(xen: Connection, guest: UUID) -> None:
    if get_guest(xen, guest).state is not GuestState.SHUT_OFF:
        force_off(xen, guest)
    start(xen, guest)
    terminal = Terminal(xen, guest, alias=None)
    terminal.expect(b"is up on hvc0", 180)
    shut_down(xen, guest)
    until(lambda: terminal.ends, 90, "the end of the text console")
    assert terminal.ends == ["stopped"]
    until(lambda: get_guest(xen, guest).state is GuestState.SHUT_OFF, 60, "shut off")
