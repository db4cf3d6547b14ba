"""Memory beyond the maximum of a real guest: what it says itself decides when an operation is done."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import User

from guests.hypervisor.connection import open_connection
from guests.inventory.models import Guest
from guests.operations import ask, new_key, wait_for_end
from guests.operations.models import Operation
from tests.guests.worker.conftest import RunningWorker, admin, row, start_worker, until
from tests.labs.lab import Lab
from tests.live.hypervisor_guest import Terminal

__all__ = ["admin", "start_worker"]
pytestmark = pytest.mark.timeout(240)

MIB = 1024
NAME = "backup-1"  # 128 of 256 MiB, shut off
NOW = {"live": True, "next_boot": False}
BOTH = {"live": True, "next_boot": True}


@pytest.fixture
def served(lab: Lab, start_worker: Callable[..., RunningWorker], settings: Any) -> Iterator[RunningWorker]:
    """The lab, read by a worker of the test; the guest is as before afterwards."""
    settings.TICK_SECONDS = 1.0
    uuid = lab.uuid(NAME)
    xml = lab.virsh("dumpxml", uuid, "--inactive")
    worker = start_worker({"lab": lab.uri})
    until(lambda: Guest.objects.filter(name=NAME).exists(), 20)
    yield worker
    if lab.state(NAME) != "shut off":
        lab.virsh("destroy", uuid)
    lab.virsh("define", "/dev/stdin", stdin=xml)


@pytest.fixture
def asked(admin: User) -> Callable[..., Operation]:
    def do(kind: str, **parameters: Any) -> Operation:
        operation = ask(kind, row(NAME), by=admin, key=new_key(), parameters=parameters)
        return wait_for_end(operation, 40)

    return do


def devices(lab: Lab, *flags: str) -> dict[str, tuple[int, ...]]:
    """Size, and of virtio-mem what was requested and taken, KiB, by virsh."""
    xml = ElementTree.fromstring(lab.virsh("dumpxml", lab.uuid(NAME), *flags))
    found = {}
    for device in xml.iterfind("devices/memory"):
        alias, texts = device.find("alias"), (device.findtext(f"target/{n}") for n in ("size", "requested", "current"))
        assert alias is not None
        found[alias.get("name", "")] = tuple(int(text) for text in texts if text)
    return found


def boot_with_room(lab: Lab, asked: Callable[..., Operation]) -> None:
    """256 of 320 MiB, and room for more; it tells what it uses."""
    assert asked("make_memory_room", ceiling_kib=1024 * MIB, slots=3).state == "done"
    # With room for it above 4 GiB Linux sets 64 MiB of its memory aside for devices that reach no further.
    assert asked("set_maximum_memory", kib=320 * MIB).state == "done"
    assert asked("set_current_memory", kib=256 * MIB, live=False, next_boot=True).state == "done"
    lab.virsh("start", lab.uuid(NAME))
    lab.wait_until_booted(NAME)
    until(lambda: row(NAME).is_active and row(NAME).usable_kib, 20)


def test_a_guest_takes_memory_beyond_its_maximum_and_gives_it_back(
    served: RunningWorker, lab: Lab, admin: User, asked: Callable[..., Operation], settings: Any
) -> None:
    boot_with_room(lab, asked)
    connection = open_connection(lab.uri)
    terminal = Terminal(connection, UUID(lab.uuid(NAME)), force=True)
    until(lambda: terminal.stream.send(b"\r") or b"# " in terminal.received, 30)

    def inside() -> int:
        """What the guest itself sees, KiB."""
        found = re.search(r"MemTotal: +(\d+)", terminal.answer_to("grep MemTotal /proc/meminfo", 30))
        assert found
        return int(found[1])

    try:
        assert asked("set_vcpus", count=2, **NOW).state == "done"  # those of the cell come as before

        # QEMU tells of its balloon at most once a second: told late, libvirt keeps a figure from before the DIMM.
        time.sleep(2)

        # A DIMM: done once the guest shows it.
        began = inside()
        dimm = {"name": "ua-dimm-1", "model": "dimm", "kib": 128 * MIB}
        plugged = asked("plug_memory", **dimm, **BOTH)
        assert (plugged.state, plugged.message) == ("done", "")
        assert plugged.after["device"][0] == 128 * MIB
        assert inside() - began == pytest.approx(128 * MIB, abs=4 * MIB)
        assert devices(lab) == devices(lab, "--inactive") == {"ua-dimm-1": (128 * MIB,)}
        assert until(lambda: (row(NAME).current_kib, row(NAME).maximum_kib) == (384 * MIB, 448 * MIB), 10)
        assert row(NAME).next_boot_current_kib == 384 * MIB
        assert until(lambda: (row(NAME).balloon_kib or 0) > 380 * MIB, 10)

        # One that the guest uses for what cannot be moved stays, and it is said so.
        terminal.answer_to("echo online_kernel > /sys/devices/system/memory/auto_online_blocks")
        assert asked("plug_memory", name="ua-dimm-2", model="dimm", kib=128 * MIB, **NOW).state == "done"
        terminal.answer_to(
            "mkdir -p /big; mount -t tmpfs -o size=200m t /big; dd if=/dev/zero of=/big/x bs=1M count=160", 30
        )
        kept = asked("unplug_memory", name="ua-dimm-2", **NOW)
        assert kept.state == "failed"
        assert kept.message == f"{NAME} cannot let go of this memory now: it uses it for what cannot be moved."
        assert "ua-dimm-2" in devices(lab)
        terminal.answer_to("echo online_movable > /sys/devices/system/memory/auto_online_blocks")

        # The other one goes, now and at the next boot.
        taken = asked("unplug_memory", name="ua-dimm-1", **BOTH)
        assert (taken.state, taken.message, taken.after["device"]) == ("done", "", None)
        assert (list(devices(lab)), devices(lab, "--inactive")) == (["ua-dimm-2"], {})

        # virtio-mem: given in parts, done when the guest says so; the balloon moves beside it.
        before = inside()
        parts = {"name": "ua-virtio-mem-1", "model": "virtio-mem", "kib": 256 * MIB, "requested_kib": 64 * MIB}
        assert asked("plug_memory", **parts, **BOTH).state == "done"
        assert devices(lab)["ua-virtio-mem-1"] == (256 * MIB, 64 * MIB, 64 * MIB)
        assert inside() - before == pytest.approx(64 * MIB, abs=4 * MIB)
        assert row(NAME).maximum_kib == 704 * MIB
        held = row(NAME).current_kib
        assert asked("set_current_memory", kib=held - 32 * MIB, **NOW).state == "done"
        assert row(NAME).current_kib == pytest.approx(held - 32 * MIB, abs=256)
        more = asked("request_memory", name="ua-virtio-mem-1", kib=192 * MIB, **BOTH)
        assert (more.state, more.after["device"]) == ("done", [256 * MIB, 192 * MIB, 192 * MIB])
        assert more.progress_total in {None, 128 * MIB}  # None where the guest was quicker than the first look
        assert "ask for 0 MiB first" in asked("unplug_memory", name="ua-virtio-mem-1", **NOW).message

        # A guest that does not answer.
        settings.BALLOON_SECONDS = settings.UNPLUG_SECONDS = 2.0
        lab.virsh("suspend", lab.uuid(NAME))
        silent = asked("request_memory", name="ua-virtio-mem-1", kib=0, **NOW)
        assert silent.state == "failed"
        assert silent.message == "Asked for 0 MiB; the guest stands at 192 MiB and has not moved for 2 s."
        kept = asked("unplug_memory", name="ua-dimm-2", **NOW)
        assert kept.message.startswith("Asked for; backup-1 has not let go of the memory within ")
        settings.BALLOON_SECONDS = settings.UNPLUG_SECONDS = 30.0
        unheard = ask("unplug_memory", row(NAME), by=admin, key=new_key(), parameters={"name": "ua-dimm-2", **NOW})
        until(lambda: Operation.objects.get(pk=unheard.pk).state == "waiting", 20)  # libvirt itself waits 5 s
        lab.virsh("resume", lab.uuid(NAME))
        assert "cannot let go of this memory now" in wait_for_end(unheard, 20).message  # the guest says so: an event
        given_back = asked("request_memory", name="ua-virtio-mem-1", kib=0, **BOTH)
        assert (given_back.state, given_back.after["device"]) == ("done", [256 * MIB, 0, 0])

        # The device itself: with this QEMU at the next boot.
        gone = asked("unplug_memory", name="ua-virtio-mem-1", **BOTH)
        assert gone.state == "done"
        assert devices(lab, "--inactive") == {}
        assert gone.after["waits_for_boot"] is ("ua-virtio-mem-1" in devices(lab))
    finally:
        terminal.stream.close()
        connection.close()


def test_what_was_plugged_in_outlives_being_saved(
    served: RunningWorker, lab: Lab, asked: Callable[..., Operation]
) -> None:
    boot_with_room(lab, asked)
    assert asked("plug_memory", name="ua-dimm-1", model="dimm", kib=128 * MIB, **NOW).state == "done"
    parts = {"name": "ua-virtio-mem-1", "model": "virtio-mem", "kib": 128 * MIB, "requested_kib": 64 * MIB}
    assert asked("plug_memory", **parts, **NOW).state == "done"
    held = devices(lab)
    assert held == {"ua-dimm-1": (128 * MIB,), "ua-virtio-mem-1": (128 * MIB, 64 * MIB, 64 * MIB)}

    saved = asked("save")
    assert (saved.state, saved.message) == ("done", "")
    until(lambda: row(NAME).saved, 10)
    back = asked("start")
    assert (back.state, back.message) == ("done", "")
    assert devices(lab) == held
    assert devices(lab, "--inactive") == {}
    until(lambda: row(NAME).is_active and (row(NAME).balloon_kib or 0) > 300 * MIB, 20)
