"""A host boots: its libvirt comes back without its guests, its counters begin anew, and guests start in their order."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from guests.inventory.models import Guest, Host, HostState
from guests.operations.host_starts import HostBoot
from guests.operations.models import Operation
from tests.guests.worker.conftest import RunningWorker, admin, asked, row, start_worker, until
from tests.labs.two_hosts import TwoHosts

__all__ = ["admin", "asked", "start_worker"]
pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="bridges and network namespaces need root"),
]
LATER = timedelta(minutes=1)
NAMES = ("first-1", "second-1", "stays-off-1")
XML = """
<domain type='qemu'><name>{}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os></domain>
"""
STOP_LIBVIRTD = "pid=$(cat /run/libvirtd.pid); kill $pid; while kill -0 $pid 2>/dev/null; do sleep .1; done"
# What a host loses with its power: its guests, and what libvirt notes of those that run. /proc/stat counts from zero.
LOSE_POWER = (
    "for file in /run/libvirt/qemu/*-1.pid; do kill -9 $(cat $file); done; rm -rf /run/libvirt/qemu; "
    "printf 'cpu 400 0 400 3000 0 0 0 0 0 0\\ncpu0 200 0 200 1500 0 0 0 0 0 0\\ncpu1 200 0 200 1500 0 0 0 0 0 0\\n'"
    " > /run/stat; mount --bind /run/stat /proc/stat"
)


@pytest.fixture
def hosts(two_hosts: TwoHosts) -> Iterator[TwoHosts]:
    """On host 2 three guests, of which the third is shut off."""
    for name in NAMES:
        two_hosts.virsh(2, "define", "/dev/stdin", stdin=XML.format(name))
    for name in NAMES[:2]:
        two_hosts.virsh(2, "start", name)
    yield two_hosts
    with suppress(subprocess.CalledProcessError):
        two_hosts.run("exec", "2", "umount", "/proc/stat")
    for name in NAMES:
        for word in ("destroy", "undefine"):
            with suppress(subprocess.CalledProcessError):
                two_hosts.virsh(2, word, name)


def shell(hosts: TwoHosts, script: str) -> None:
    hosts.run("exec", "2", "sh", "-c", script)


def running(hosts: TwoHosts) -> set[str]:
    return set(hosts.virsh(2, "list", "--name").split()) & set(NAMES)


def test_guests_start_in_their_order_after_a_boot_and_not_after_a_restart_of_libvirtd(
    hosts: TwoHosts,
    start_worker: Callable[..., RunningWorker],
    asked: Callable[..., Operation],
    settings: Any,
) -> None:
    settings.TICK_SECONDS = 0.5
    hosts.virsh(2, "autostart", "second-1")
    start_worker({"two": hosts.uri(2)})
    until(lambda: HostBoot.objects.exists() and Guest.objects.filter(name__in=NAMES).count() == 3, 20)
    assert HostBoot.objects.get().noticed_at is None
    assert asked("set_start_order", "first-1", place=2, wait_seconds=0).state == "done"
    assert asked("set_start_order", "second-1", place=1, wait_seconds=3).state == "done"
    assert "disable" in hosts.virsh(2, "dominfo", "second-1")  # or libvirt would start it at once

    hosts.virsh(2, "destroy", "first-1")  # an administrator wants it off
    shell(hosts, f"{STOP_LIBVIRTD}; sleep .5; libvirtd -l -d")
    until(lambda: Host.objects.get().state == HostState.UNREACHABLE, 15)
    until(lambda: Host.objects.get().state == HostState.UP, 30)
    until(lambda: row("second-1").state == "running", 10)
    assert HostBoot.objects.get().noticed_at is None
    assert running(hosts) == {"second-1"}

    shell(hosts, f"{STOP_LIBVIRTD}; {LOSE_POWER}")
    # A moment longer than what the counters say: a boot takes that, too.
    HostBoot.objects.update(told_at=HostBoot.objects.get().told_at - 2 * LATER)
    shell(hosts, "libvirtd -l -d")
    until(lambda: HostBoot.objects.filter(over_at__isnull=False).exists(), 45)
    started = Operation.objects.filter(kind="start_with_host").order_by("asked_at")
    assert [(o.guest and o.guest.name, o.state, o.message) for o in started] == [
        ("second-1", "done", ""),
        ("first-1", "done", ""),
    ]
    second, first = started
    assert second.ended_at
    assert (first.asked_at - second.ended_at).total_seconds() >= 3
    assert running(hosts) == {"first-1", "second-1"}
