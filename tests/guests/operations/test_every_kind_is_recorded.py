"""F3: what every kind of operation does stands in the record with before and after, a new kind included.

EXAMPLES go through the queue and a worker of libvirt's test driver in this order; each line is what an administrator
reads afterwards. A kind without an example fails here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from guests.audit.models import AuditRecord
from guests.inventory.capabilities import offers_of
from guests.inventory.definitions import newest_version
from guests.inventory.models import Host
from guests.inventory.storage import Pool, Volume
from guests.operations import ask, ask_host, new_key, wait_for_end
from guests.operations.abandoned_uploads import cancel_abandoned
from guests.operations.host_kinds import HOST_KINDS, all_kinds
from guests.operations.host_starts import HostBoot, StartPlace
from guests.operations.models import Operation
from guests.operations.proposals import propose
from guests.operations.upload_models import Upload
from tests.guests.operations.test_graphics import without_graphics
from tests.guests.worker.conftest import RunningWorker, row, start_worker, until
from tests.labs.host_xml import HostXml
from tests.labs.lab import REPOSITORY

__all__ = ["start_worker"]  # a fixture
KIB, MIB = 1024, 1024**2
POOL = "<pool type='dir'><name>images</name><target><path>/guests</path></target></pool>"
VOLUME = "<volume><name>{}</name><capacity unit='MiB'>8</capacity><target><format type='{}'/></target></volume>"
DRIVE = '<disk type="file" device="cdrom"><target dev="sdz" bus="sata"/><readonly/></disk>'
MAC = "52:54:00:a0:00:07"
NIC = {"mac": MAC, "kind": "network", "source": "default", "model": "virtio", "target": ""}
FIRST_NIC, VDA = ["52:54:00:00:00:03", "default"], ["vda", "/guests/disk-3.img"]
UNTUNED = {"weight": None, "cap_percent": None, "vcpu_cap_percent": None, "emulator": "", "every": ""}
PARTS = "ua-mem-1"
NEXT = {"live": False, "next_boot": True}
NOW = {"live": True, "next_boot": False}


class Place:
    """What is asked in terms of what is there at that moment."""

    def __init__(self, admin: User) -> None:
        self.admin = admin

    def images(self) -> dict[str, Any]:
        return {"pool": str(Pool.objects.get(name="images").uuid)}

    def scratch(self) -> dict[str, Any]:
        return {"pool": str(Pool.objects.get(name="scratch").uuid)}

    def volume(self, name: str) -> dict[str, Any]:
        return {**self.images(), "volume": name}

    def whole_upload(self) -> dict[str, Any]:
        Upload.objects.update(received_bytes=MIB)
        return {**self.images(), "name": "up.raw", "upload": str(Upload.objects.get().pk)}

    def proposal(self) -> dict[str, Any]:
        base = newest_version(row("off-1"))
        assert base is not None
        xml = base.xml.replace("<title>Web<", "<title>written<")
        found = propose(row("off-1"), xml, by=self.admin, base=base, brought_back=None)
        return {"proposal": str(found.pk), "digest": "", "base": base.digest}

    def new_guest(self) -> dict[str, Any]:
        (offer, *_others) = offers_of(Host.objects.get())
        sizes = {"current_kib": 262144, "maximum_kib": 262144, "vcpus": 1, "maximum_vcpus": 1}
        return {"name": "new-1", "uuid": str(uuid4()), "kind": offer.key, "start": True, "autostart": False, **sizes}


@dataclass(frozen=True)
class Example:
    """One operation: what is asked of what, and what its line must say of before and after."""

    kind: str
    before: dict[str, Any]
    after: dict[str, Any]
    on: str = "off-1"
    asked: Callable[[Place], dict[str, Any]] = lambda _place: {}
    # Libvirt's test driver cannot do it: the line of the refusal says that nothing changed. Where it is really done.
    done_in: str = ""


def processor(sockets: int, mode: str) -> dict[str, Any]:
    counts = {"cores": sockets, "threads": sockets}
    return {"mode": mode, "model": "", "sockets": sockets, "dies": 1, **counts}


def nic(model: str) -> dict[str, Any]:
    told = {name: value for name, value in NIC.items() if name != "target"}
    return told | {"model": model, "link_up": True, "inbound_kib": None, "outbound_kib": None}


def parts(requested: int) -> list[object]:
    return [PARTS, 256 * KIB, requested, requested]


def power(kind: str, before: str, after: str) -> Example:
    return Example(kind, {"state": before}, {"state": after})


BEGIN_UPLOAD = Example(
    "begin_upload",
    {"there": False},
    {"there": True, "capacity_bytes": MIB},
    asked=lambda place: {
        **place.images(),
        "name": "up.raw",
        "format": "raw",
        "capacity_bytes": MIB,
        "by": place.admin.pk,
    },
)
EXAMPLES = [
    Example(  # the driver takes the weight and keeps its own
        "set_scheduling", {"state": "running"}, {"from_weight": 50}, on="web-1", asked=lambda _: {"weight": 512, **NOW}
    ),
    Example("add_graphics", {"graphics": []}, {"graphics": ["vnc address 127.0.0.1"]}, on="web-1"),
    Example("force_off", {"state": "running"}, {"state": "shut-off"}, on="web-1"),
    Example("start_with_host", {"state": "shut-off"}, {"state": "running", "started": True}),
    power("pause", "running", "paused"),
    power("resume", "paused", "running"),
    power("reboot", "running", "running"),
    power("reset", "running", "running"),
    power("shut_down", "running", "shut-off"),
    Example("start_paused", {"state": "shut-off"}, {"state": "shut-off"}, done_in="tests/live/test_saving.py"),
    power("start", "shut-off", "running"),
    Example("save", {"state": "running", "saved": False}, {"state": "shut-off", "saved": True}),
    Example("discard_saved", {"saved": True}, {"saved": False}),
    Example("rename", {"name": "off-1"}, {"name": "off-9"}, asked=lambda _: {"name": "off-9"}),
    Example("rename", {"name": "off-9"}, {"name": "off-1"}, on="off-9", asked=lambda _: {"name": "off-1"}),
    Example(
        "describe",
        {"title": "", "description": ""},
        {"title": "Web", "description": "the shop"},
        asked=lambda _: {"title": "Web", "description": "the shop"},
    ),
    Example("set_autostart", {"autostart": False}, {"autostart": True}, asked=lambda _: {"autostart": True}),
    Example(
        "set_start_order",
        {"autostart": True},
        {"autostart": False, "place": 3},
        asked=lambda _: {"place": 3, "wait_seconds": 20},
    ),
    Example(
        "set_boot_order",
        {"order": ["disk:vda"]},
        {"order": ["disk:sdz", "disk:vda"]},
        asked=lambda _: {"order": ["disk:sdz", "disk:vda"]},
    ),
    Example(
        "set_current_memory",
        {"current_kib": 256 * KIB, "next_boot_current_kib": 256 * KIB},
        {"current_kib": 384 * KIB, "next_boot_current_kib": 384 * KIB},
        asked=lambda _: {"kib": 384 * KIB, **NEXT},
    ),
    Example("set_maximum_memory", {"maximum_kib": 512 * KIB}, {"maximum_kib": KIB**2}, asked=lambda _: {"kib": KIB**2}),
    Example(
        "make_memory_room",
        {"ceiling_kib": 0, "slots": 0, "cells": []},
        {"ceiling_kib": 2 * KIB**2, "slots": 4, "cells": [["0-3", KIB**2]]},
        asked=lambda _: {"ceiling_kib": 2 * KIB**2, "slots": 4},
    ),
    Example(
        "plug_memory",
        {"next_boot_memory_devices": [], "maximum_kib": KIB**2},
        {"next_boot_memory_devices": [parts(64 * KIB)], "maximum_kib": KIB**2 + 256 * KIB},
        asked=lambda _: {"name": PARTS, "model": "virtio-mem", "kib": 256 * KIB, "requested_kib": 64 * KIB, **NEXT},
    ),
    Example(
        "request_memory",
        {"next_boot_memory_devices": [parts(64 * KIB)]},
        {"next_boot_memory_devices": [parts(128 * KIB)]},
        asked=lambda _: {"name": PARTS, "kib": 128 * KIB, **NEXT},
    ),
    Example(
        "unplug_memory",
        {"next_boot_memory_devices": [parts(128 * KIB)]},
        {"next_boot_memory_devices": []},
        asked=lambda _: {"name": PARTS, **NEXT},
    ),
    Example("take_memory_room", {"ceiling_kib": 2 * KIB**2}, {"ceiling_kib": 0, "slots": 0, "cells": []}),
    Example("set_vcpus", {"vcpus_current": 1}, {"vcpus_current": 2}, asked=lambda _: {"count": 2, **NEXT}),
    Example("set_maximum_vcpus", {"vcpus_maximum": 4}, {"vcpus_maximum": 8}, asked=lambda _: {"count": 8}),
    Example(
        "pin_vcpus",
        {"tuning": {**UNTUNED, "pins": []}},
        {"tuning": {**UNTUNED, "pins": [{"vcpu": 0, "cpus": "1"}]}},
        asked=lambda _: {"pins": {"0": "1"}, **NEXT},
    ),
    Example(
        "set_topology",
        {"cpu": processor(0, "")},
        {"cpu": processor(2, "")},
        asked=lambda _: {"sockets": 2, "cores": 2, "threads": 2},
    ),
    Example(
        "set_cpu_model",
        {"cpu": processor(2, "")},
        {"cpu": processor(2, "host-passthrough")},
        asked=lambda _: {"mode": "host-passthrough", "model": ""},
    ),
    Example(
        "add_disk",
        {"next_boot_disks": [VDA, ["sdz", ""]]},
        {"next_boot_disks": [VDA, ["vdb", "/guests/more.raw"], ["sdz", ""]]},
        asked=lambda place: {"device": "disk", "bus": "virtio", **place.volume("more.raw"), **NEXT},
    ),
    Example(
        "grow_disk",
        {"state": "shut-off"},
        {"state": "shut-off"},
        asked=lambda _: {"target": "vdb", "bytes": 16 * MIB},
        done_in="tests/live/test_disks.py",
    ),
    Example(
        "remove_disk",
        {"next_boot_disks": [VDA, ["vdb", "/guests/more.raw"], ["sdz", ""]]},
        {"next_boot_disks": [VDA, ["sdz", ""]]},
        asked=lambda _: {"target": "vdb", **NEXT},
    ),
    Example(
        "change_medium",
        {"next_boot_disks": [VDA, ["sdz", ""]]},
        {"next_boot_disks": [VDA, ["sdz", "/guests/one.iso"]]},
        asked=lambda place: {"target": "sdz", **place.volume("one.iso"), **NEXT},
    ),
    Example(
        "eject",
        {"next_boot_disks": [VDA, ["sdz", "/guests/one.iso"]]},
        {"next_boot_disks": [VDA, ["sdz", ""]]},
        asked=lambda _: {"target": "sdz", **NEXT},
    ),
    Example(
        "add_nic",
        {"next_boot_nics": [FIRST_NIC]},
        {"next_boot_nics": [FIRST_NIC, [MAC, "default"]]},
        asked=lambda _: {"nic": NIC, **NEXT},
    ),
    Example(
        "change_nic",
        {f"next_boot_nic {MAC}": nic("virtio")},
        {f"next_boot_nic {MAC}": nic("e1000")},
        asked=lambda _: {"mac": MAC, "nic": {**NIC, "model": "e1000"}, **NEXT},
    ),
    Example(
        "remove_nic",
        {"next_boot_nics": [FIRST_NIC, [MAC, "default"]]},
        {"next_boot_nics": [FIRST_NIC]},
        asked=lambda _: {"mac": MAC, **NEXT},
    ),
    Example(
        "keep_graphics_inside",
        {"graphics": ["vnc address 0.0.0.0"]},
        {"graphics": ["vnc address 127.0.0.1"]},
    ),
    Example("add_serial_console", {"text_consoles": ["serial0"]}, {"text_consoles": ["serial0", "serial1"]}),
    Example(
        "set_host_log",
        {"host_logs": {}},
        {"host_logs": {"serial0": "/var/log/libvirt/qemu/off-1-serial0.log"}},
        asked=lambda _: {"device": "serial0", "on": True},
    ),
    Example("define", {"title": "Web"}, {"title": "written"}, asked=Place.proposal),
    Example(
        "take_snapshot",
        {"snapshots": [], "current": ""},
        {"snapshots": ["clean"], "current": "clean"},
        asked=lambda _: {"name": "clean", "description": ""},
    ),
    Example(
        "revert_to_snapshot",
        {"state": "shut-off", "current": "clean"},
        {"state": "shut-off", "current": "clean"},
        asked=lambda _: {"name": "clean", "then": "as-it-was"},
    ),
    Example("delete_snapshot", {"snapshots": ["clean"]}, {"snapshots": []}, asked=lambda _: {"name": "clean"}),
    Example("clone_guest", {"state": "shut-off"}, {"state": "shut-off"}, asked=lambda _: {"name": "off-2"}),
    Example(
        "migrate",
        {"state": "shut-off"},
        {"state": "shut-off"},
        asked=lambda _: {"to": "beta"},
        done_in="tests/live/test_migration.py",
    ),
    Example(
        "delete_guest",
        {"state": "shut-off", "name": "off-1", "title": "written", "next_boot_disks": [VDA, ["sdz", ""]]},
        {"state": "deleted", "deleted": []},
        asked=lambda _: {"disks": []},
    ),
    Example("create_guest", {"there": False}, {"there": True, "state": "running"}, asked=Place.new_guest),
    Example(
        "make_pool",
        {"there": False},
        {"there": True, "active": True, "path": "/srv/pools/scratch"},
        asked=lambda _: {"name": "scratch", "kind": "dir", "root": "/srv/pools"},
    ),
    Example("stop_pool", {"active": True}, {"active": False}, asked=Place.scratch),
    Example("start_pool", {"active": False}, {"active": True}, asked=Place.scratch),
    Example(
        "set_pool_autostart",
        {"autostart": False},
        {"autostart": True},
        asked=lambda place: {**place.scratch(), "on": True},
    ),
    Example("refresh_pool", {"volumes": 0}, {"volumes": 0}, asked=Place.scratch),
    Example(
        "forget_pool",
        {"there": True, "path": "/srv/pools/scratch"},
        {"there": False, "forgotten": "scratch"},
        asked=Place.scratch,
    ),
    Example(
        "make_volume",
        {"there": False},
        {"there": True, "format": "raw", "capacity_bytes": MIB},
        asked=lambda place: {**place.images(), "name": "a.raw", "format": "raw", "capacity_bytes": MIB},
    ),
    Example(
        "grow_volume",
        {"capacity_bytes": MIB},
        {"capacity_bytes": MIB},
        asked=lambda place: {**place.volume("a.raw"), "capacity_bytes": 2 * MIB},
        done_in="tests/live/test_storage.py",
    ),
    Example(
        "clone_volume",
        {"there": False},
        {"there": True, "format": "raw", "capacity_bytes": MIB},
        asked=lambda place: {**place.volume("a.raw"), "to_pool": place.images()["pool"], "name": "b.raw"},
    ),
    Example(
        "delete_volume",
        {"there": True, "format": "raw", "capacity_bytes": MIB},
        {"there": False, "deleted": "b.raw"},
        asked=lambda place: place.volume("b.raw"),
    ),
    BEGIN_UPLOAD,
    Example(
        "finish_upload",
        {"there": True, "received_bytes": MIB, "size_bytes": MIB},
        {"there": True, "received_bytes": MIB},
        asked=Place.whole_upload,
        done_in="tests/live/test_storage.py",
    ),
    Example(
        "cancel_upload",
        {"there": True, "received_bytes": MIB},
        {"there": False, "received_bytes": MIB},
        asked=Place.whole_upload,
    ),
    BEGIN_UPLOAD,
    Example("cancel_abandoned_upload", {"there": True, "size_bytes": MIB}, {"there": False, "received_bytes": 0}),
]


@pytest.fixture
def worker(host_xml: HostXml, start_worker: Callable[..., RunningWorker]) -> RunningWorker:
    """web-1 runs, off-1 is shut off; both have a qcow2 disk in the pool `images` and an empty drive. The screen of
    off-1 can be reached from anywhere, web-1 has none after its next boot.
    """
    host_xml.add_network("default")
    host_xml.add_guest("web-1", devices=DRIVE, disk_format="qcow2")
    host_xml.add_guest("off-1", running=False, devices=DRIVE, disk_format="qcow2")
    running = start_worker({"alpha": host_xml.uri})
    raw = running.libvirt("alpha").raw
    pool = raw.storagePoolDefineXML(POOL, 0)
    pool.create(0)
    for name, format in (("disk-2.img", "qcow2"), ("disk-3.img", "qcow2"), ("one.iso", "raw"), ("more.raw", "raw")):
        pool.createXML(VOLUME.format(name, format), 0)
    pool.refresh(0)
    raw.defineXML(raw.lookupByName("off-1").XMLDesc().replace("127.0.0.1", "0.0.0.0"))
    until(lambda: Volume.objects.count() == 4 and Host.objects.filter(capabilities__isnull=False))
    until(lambda: "0.0.0.0" in str(row("off-1").next_boot))
    without_graphics(running)
    return running


def test_F3_every_kind_has_an_example() -> None:
    assert {example.kind for example in EXAMPLES} == set(all_kinds())
    assert all((REPOSITORY / example.done_in).is_file() for example in EXAMPLES if example.done_in)


@pytest.mark.timeout(120)
def test_F3_every_operation_is_recorded_with_before_and_after(
    worker: RunningWorker, admin: User, settings: Any
) -> None:
    settings.STORAGE_ROOTS = ["/srv/pools"]
    place = Place(admin)
    for example in EXAMPLES:
        operation = run(example, place, worker)
        asked, ended = AuditRecord.objects.filter(detail__operation=str(operation.pk)).order_by("pk")
        room = "host" if example.kind in HOST_KINDS else "guest"
        told = f"{example.kind}: {operation.message} {operation.detail} {ended.detail}"
        assert (asked.action, ended.action) == (f"{room}.{example.kind}", f"{room}.{example.kind}.ended")
        assert (ended.user_name, ended.host_name) == (asked.user_name, "alpha"), told
        assert asked.detail["asked"] == operation.parameters, told
        assert (operation.state, ended.outcome) == (("failed", "failed") if example.done_in else ("done", "ok")), told
        assert ended.detail["before"].items() >= example.before.items(), told
        assert ended.detail["after"].items() >= example.after.items(), told
        assert ended.detail["before"], told


def run(example: Example, place: Place, worker: RunningWorker) -> Operation:
    kind, key, before = all_kinds()[example.kind], new_key(), Operation.objects.filter(kind=example.kind).count()
    if kind.standing:
        {"start_with_host": after_a_boot, "cancel_abandoned_upload": after_a_week}[kind.name](worker)
        ended = Operation.objects.filter(kind=kind.name, ended_at__isnull=False)
        found: Operation = until(lambda: ended.count() > before and ended.latest("asked_at"))
        return found
    parameters = example.asked(place)
    if kind.name in HOST_KINDS:
        operation = ask_host(kind.name, Host.objects.get(), by=place.admin, key=key, parameters=parameters)
    else:
        operation = ask(kind.name, row(example.on), by=place.admin, key=key, parameters=parameters)
    return wait_for_end(operation, 15)


def after_a_boot(worker: RunningWorker) -> None:
    """Of a guest with a place in the order."""
    now, off = timezone.now(), row("off-1")
    StartPlace.objects.create(guest=off, place=1)
    HostBoot.objects.update_or_create(
        host=off.host,
        defaults={"up_seconds": 1.0, "told_at": now, "booted_at": now, "noticed_at": now, "over_at": None},
    )


def after_a_week(worker: RunningWorker) -> None:
    """Nobody went on with the upload."""
    Upload.objects.update(moved_at=timezone.now() - timedelta(days=30))
    assert cancel_abandoned(worker.service("alpha").lease) == 1
