"""The host worker against real guests: what it sees, and what its operations do to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from guests.inventory.models import Guest, Host, HostState
from guests.operations import ask, cancel, new_key, wait_for_end
from guests.operations.models import Operation
from tests.guests.worker.conftest import RunningWorker, admin, row, start_worker, until
from tests.labs.lab import Lab

__all__ = ["admin", "start_worker"]
MIB = 1024


@pytest.fixture
def served(lab: Lab, start_worker: Callable[..., RunningWorker], settings: Any) -> Iterator[RunningWorker]:
    """The lab, read by a worker of the test, its guests booted."""
    lab.wait_until_booted("web-1")
    settings.TICK_SECONDS = 1.0
    worker = start_worker({"lab": lab.uri})
    until(lambda: Guest.objects.filter(name="web-1", usable_kib__isnull=False).exists(), 20)
    yield worker


def asked(kind: str, guest: str, by: User, before: dict[str, Any] | None = None, **parameters: Any) -> Operation:
    return ask(kind, row(guest), by=by, key=new_key(), parameters=parameters, before=before)


def test_the_list_shows_what_virsh_knows(served: RunningWorker, lab: Lab) -> None:
    web = row("web-1")
    assert (web.state, web.host.state, web.host.driver) == ("running", HostState.UP, "QEMU")
    assert abs((web.balloon_kib or 0) - lab.balloon("web-1")["actual"]) < MIB
    assert web.used_kib is not None
    assert 0 < web.used_kib < web.current_kib
    assert row("backup-1").state == "shut-off"
    until(lambda: row("web-1").cpu_percent is not None)
    assert web.vcpus_maximum == lab.demo_guest("web-1").maximum_vcpus


def test_memory_arrives_with_progress_and_virsh_agrees(served: RunningWorker, lab: Lab, admin: User) -> None:
    before = row("web-1").current_kib
    wanted = before - 64 * MIB
    operation = asked("set_current_memory", "web-1", admin, kib=wanted, live=True, next_boot=True)
    seen: set[tuple[str, int | None]] = set()
    while not operation.is_over:
        seen.add((operation.state, operation.progress_done))
        operation = wait_for_end(operation, 0.05)
    assert (operation.state, operation.message) == ("done", "")
    assert "waiting" in {state for state, _done in seen}
    assert operation.progress_total == 64 * MIB
    assert abs(lab.balloon("web-1")["actual"] - wanted) <= 256
    web = row("web-1")
    assert abs(web.current_kib - wanted) <= 256
    assert web.next_boot_current_kib == wanted
    assert asked_and_ended("set_current_memory", "web-1", admin, kib=before, live=True, next_boot=True).state == "done"


def asked_and_ended(kind: str, guest: str, by: User, seconds: float = 30, **parameters: Any) -> Operation:
    return wait_for_end(asked(kind, guest, by, **parameters), seconds)


def test_a_balloon_that_does_not_move_is_said_to_be_not_reached(
    served: RunningWorker, lab: Lab, admin: User, settings: Any
) -> None:
    settings.BALLOON_SECONDS = 3.0
    lab.virsh("suspend", lab.uuid("web-1"))  # its driver cannot answer
    held = row("web-1").current_kib
    began = time.monotonic()
    operation = asked_and_ended("set_current_memory", "web-1", admin, kib=held - 32 * MIB, live=True)
    took = time.monotonic() - began
    assert operation.state == "failed"
    assert operation.message == (
        "Not reached: the guest's balloon driver did not answer. "
        f"Asked {(held - 32 * MIB) // MIB} MiB, still at {held // MIB} MiB after 3 s."
    )
    assert 3.0 <= took < 8.0
    assert row("web-1").current_kib == held
    lab.virsh("setmem", lab.uuid("web-1"), str(held), "--live")  # or it would move once it wakes, in the next test


def test_waiting_for_a_balloon_can_be_cancelled_and_lets_other_operations_pass(
    served: RunningWorker, lab: Lab, admin: User
) -> None:
    lab.virsh("suspend", lab.uuid("web-1"))
    held = row("web-1").current_kib
    operation = asked("set_current_memory", "web-1", admin, kib=held - 32 * MIB, live=True)
    until(lambda: Operation.objects.get(pk=operation.pk).state == "waiting")
    assert asked_and_ended("set_vcpus", "web-1", admin, count=2, next_boot=True).state == "done"
    assert cancel(operation, by=admin)
    ended = wait_for_end(operation, 10)
    assert ended.state == "failed"
    assert "Cancelled" in ended.message
    lab.virsh("resume", lab.uuid("web-1"))
    time.sleep(2)
    assert abs(lab.balloon("web-1")["actual"] - held) <= 256


def test_a_later_amount_replaces_the_one_that_is_waited_for(served: RunningWorker, lab: Lab, admin: User) -> None:
    lab.virsh("suspend", lab.uuid("web-1"))
    held = row("web-1").current_kib
    first = asked("set_current_memory", "web-1", admin, kib=held - 32 * MIB, live=True)
    until(lambda: Operation.objects.get(pk=first.pk).state == "waiting")
    second = asked("set_current_memory", "web-1", admin, kib=held - 16 * MIB, live=True)
    assert "Replaced" in wait_for_end(first, 10).message
    lab.virsh("resume", lab.uuid("web-1"))
    assert wait_for_end(second, 20).state == "done"


def test_vcpus_come_online_live(served: RunningWorker, lab: Lab, admin: User) -> None:
    operation = asked_and_ended("set_vcpus", "web-1", admin, count=2, live=True)
    assert (operation.state, operation.message) == ("done", "")
    assert lab.virsh("vcpucount", lab.uuid("web-1"), "--live", "--active").strip() == "2"
    assert row("web-1").vcpus_current == 2


def test_a_shut_down_waits_for_the_guest_and_one_that_is_not_answered_says_so(
    served: RunningWorker, lab: Lab, admin: User, settings: Any
) -> None:
    settings.SHUT_DOWN_SECONDS = 0.5
    lab.virsh("destroy", lab.uuid("web-1"))
    assert asked_and_ended("start", "web-1", admin).state == "done"
    unanswered = asked_and_ended("shut_down", "web-1", admin)  # nobody in it listens to the button yet
    assert unanswered.state == "failed"
    assert "did not answer the power button" in unanswered.message
    lab.wait_until_booted("web-1")
    settings.SHUT_DOWN_SECONDS = 60.0
    operation = asked_and_ended("shut_down", "web-1", admin, seconds=60)
    assert (operation.state, operation.after) == ("done", {"state": "shut-off"})
    assert lab.state("web-1") == "shut off"


def test_a_guest_that_stopped_while_the_form_was_open_is_left_alone(
    served: RunningWorker, lab: Lab, admin: User
) -> None:
    web = row("web-1")
    before = {"state": "running", "current_kib": web.current_kib, "maximum_kib": web.maximum_kib}
    lab.virsh("destroy", lab.uuid("web-1"))
    operation = asked("set_current_memory", "web-1", admin, before, kib=192 * MIB, live=True, next_boot=True)
    ended = wait_for_end(operation, 10)
    assert ended.state == "failed"
    assert "was shut off since you opened the form" in ended.message
    assert row("web-1").next_boot_current_kib == web.next_boot_current_kib


def test_what_virsh_suspends_is_in_the_table_within_half_a_second(served: RunningWorker, lab: Lab) -> None:
    times = []
    for _ in range(10):
        for word, state in (("suspend", "paused"), ("resume", "running")):
            began = time.monotonic()
            lab.virsh(word, lab.uuid("web-1"))
            until(lambda state=state: row("web-1").state == state, 5)  # type: ignore[misc]
            times.append(time.monotonic() - began)  # virsh's own start included
    print(f"virsh to table: p50 {sorted(times)[10] * 1000:.0f} ms, p95 {sorted(times)[18] * 1000:.0f} ms")
    assert sorted(times)[18] < 0.5, times


def test_a_host_read_anew_after_an_outage_shows_what_changed_meanwhile(served: RunningWorker, lab: Lab) -> None:
    assert Host.objects.get().state == HostState.UP
    lab.stop_libvirtd()
    until(lambda: Host.objects.get().state == HostState.UNREACHABLE, 3)
    lab.start_libvirtd()
    lab.virsh("suspend", lab.uuid("web-1"))
    until(lambda: Host.objects.get().state == HostState.UP, 15)
    until(lambda: row("web-1").state == "paused", 5)
