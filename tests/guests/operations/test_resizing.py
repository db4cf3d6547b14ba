from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt
import pytest

from guests.operations.models import Operation
from tests.guests.worker.conftest import RunningWorker, domain, row, until

Asked = Callable[..., Operation]
MIB = 1024
LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
SHOWN = {"state": "running", "current_kib": 256 * MIB, "maximum_kib": 512 * MIB}
SHOWN_VCPUS = {"state": "running", "vcpus_current": 1, "vcpus_maximum": 4}


def live_kib(worker: RunningWorker, guest: str = "web-1") -> int:
    return int(domain(worker, guest).info()[2])


def next_boot_kib(worker: RunningWorker, guest: str = "web-1") -> int:
    from xml.etree import ElementTree

    xml = domain(worker, guest).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    return int(ElementTree.fromstring(xml).findtext("currentMemory") or 0)


def test_current_memory_grows_now_and_for_the_next_boot(worker: RunningWorker, asked: Asked) -> None:
    operation = asked("set_current_memory", "web-1", before=SHOWN, kib=384 * MIB, live=True, next_boot=True)
    assert (operation.state, operation.message) == ("done", "")
    assert live_kib(worker) == next_boot_kib(worker) == 384 * MIB
    assert operation.after["current_kib"] == operation.after["next_boot_current_kib"] == 384 * MIB
    assert (row("web-1").current_kib, row("web-1").next_boot_current_kib) == (384 * MIB, 384 * MIB)


def test_live_alone_leaves_the_next_boot_and_revert_brings_it_back(worker: RunningWorker, asked: Asked) -> None:
    asked("set_current_memory", "web-1", kib=384 * MIB, live=True, next_boot=False)
    assert next_boot_kib(worker) == 256 * MIB
    assert row("web-1").next_boot_current_kib == 256 * MIB
    reverted = asked("set_current_memory", "web-1", kib=384 * MIB, live=False, next_boot=True)
    assert reverted.state == "done"
    assert next_boot_kib(worker) == 384 * MIB


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"kib": 0}, "more than 0"),
        ({"kib": -5}, "more than 0"),
        ({"kib": "many"}, "number"),
        ({"kib": True}, "number"),
        ({}, "number"),
        ({"kib": 513 * MIB}, "at most 512 MiB"),
        ({"kib": 10**12}, "The host has"),
    ],
)
def test_an_impossible_amount_is_refused_at_its_field(
    worker: RunningWorker, asked: Asked, parameters: dict[str, Any], words: str
) -> None:
    operation = asked("set_current_memory", "web-1", live=True, next_boot=True, **parameters)
    assert (operation.state, operation.field) == ("failed", "current")
    assert words in operation.message
    assert live_kib(worker) == next_boot_kib(worker) == 256 * MIB


def test_a_shrink_below_what_the_guest_uses_is_refused_with_the_figure_and_can_be_forced(
    worker: RunningWorker, asked: Asked
) -> None:
    web = until(lambda: row("web-1") if row("web-1").used_kib else None)
    wanted = web.used_kib - 32 * MIB
    refused = asked("set_current_memory", "web-1", kib=wanted, live=True)
    assert (refused.state, refused.field) == ("failed", "current")
    assert f"{web.used_kib // MIB} MiB" in refused.message
    assert live_kib(worker) == 256 * MIB
    forced = asked("set_current_memory", "web-1", kib=wanted, live=True, force=True)
    assert forced.state == "done"
    assert live_kib(worker) == wanted


def test_a_guest_changed_by_virsh_since_the_form_was_opened_is_left_alone(worker: RunningWorker, asked: Asked) -> None:
    domain(worker, "web-1").setMemoryFlags(300 * MIB, LIVE)
    operation = asked("set_current_memory", "web-1", before=SHOWN, kib=384 * MIB, live=True)
    assert (operation.state, operation.field) == ("failed", "current")
    assert "changed since you opened the form: now 300 MiB" in operation.message
    assert live_kib(worker) == 300 * MIB


def test_a_guest_that_stopped_since_the_form_was_opened_is_left_alone(worker: RunningWorker, asked: Asked) -> None:
    domain(worker, "web-1").destroy()
    operation = asked("set_current_memory", "web-1", before=SHOWN, kib=384 * MIB, live=True, next_boot=True)
    assert operation.state == "failed"
    assert "was shut off since you opened the form" in operation.message
    assert next_boot_kib(worker) == 256 * MIB


def test_live_is_refused_for_a_guest_that_is_shut_off(worker: RunningWorker, asked: Asked) -> None:
    operation = asked("set_current_memory", "off-1", kib=384 * MIB, live=True, next_boot=True)
    assert operation.state == "failed"
    assert "off-1 does not run" in operation.message
    assert next_boot_kib(worker, "off-1") == 256 * MIB
    assert asked("set_current_memory", "off-1", kib=384 * MIB, next_boot=True).state == "done"
    assert next_boot_kib(worker, "off-1") == 384 * MIB


def test_the_maximum_changes_for_the_next_boot_and_lowers_current_with_it(worker: RunningWorker, asked: Asked) -> None:
    operation = asked("set_maximum_memory", "web-1", before=SHOWN, kib=128 * MIB)
    assert operation.state == "done"
    assert operation.after["next_boot_maximum_kib"] == operation.after["next_boot_current_kib"] == 128 * MIB
    web = row("web-1")
    assert (web.maximum_kib, web.next_boot_maximum_kib) == (512 * MIB, 128 * MIB)
    over = asked("set_maximum_memory", "web-1", kib=10**12)
    assert (over.state, over.field) == ("failed", "maximum")


def test_vcpus_grow_live_up_to_the_maximum(worker: RunningWorker, asked: Asked) -> None:
    operation = asked("set_vcpus", "web-1", before=SHOWN_VCPUS, count=3, live=True, next_boot=True)
    assert (operation.state, operation.message) == ("done", "")
    assert domain(worker, "web-1").vcpusFlags(LIVE) == 3
    assert domain(worker, "web-1").vcpusFlags(CONFIG) == 3
    assert (row("web-1").vcpus_current, row("web-1").next_boot_vcpus_current) == (3, 3)
    over = asked("set_vcpus", "web-1", count=5, live=True)
    assert (over.state, over.field) == ("failed", "count")
    assert "at most 4" in over.message


def test_fewer_vcpus_are_for_the_next_boot_only(worker: RunningWorker, asked: Asked) -> None:
    asked("set_vcpus", "web-1", count=3, live=True, next_boot=True)
    refused = asked("set_vcpus", "web-1", count=1, live=True, next_boot=True)
    assert (refused.state, refused.field) == ("failed", "count")
    assert domain(worker, "web-1").vcpusFlags(LIVE) == domain(worker, "web-1").vcpusFlags(CONFIG) == 3
    assert asked("set_vcpus", "web-1", count=1, next_boot=True).state == "done"
    assert domain(worker, "web-1").vcpusFlags(CONFIG) == 1
    assert row("web-1").vcpus_current == 3


@pytest.mark.parametrize("count", [0, -1, "two", None])
def test_an_impossible_number_of_vcpus_is_refused(worker: RunningWorker, asked: Asked, count: object) -> None:
    for kind in ("set_vcpus", "set_maximum_vcpus"):
        operation = asked(kind, "web-1", count=count, next_boot=True)
        assert operation.state == "failed"
        assert operation.field in {"count", "maximum"}


def test_vcpus_changed_since_the_form_was_opened_are_left_alone(worker: RunningWorker, asked: Asked) -> None:
    domain(worker, "web-1").setVcpusFlags(2, LIVE)
    operation = asked("set_vcpus", "web-1", before=SHOWN_VCPUS, count=3, live=True)
    assert "now 2 vCPUs" in operation.message
    assert domain(worker, "web-1").vcpusFlags(LIVE) == 2


def test_the_maximum_of_vcpus_changes_for_the_next_boot(worker: RunningWorker, asked: Asked) -> None:
    operation = asked("set_maximum_vcpus", "web-1", count=8)
    assert operation.state == "done"
    assert operation.after["next_boot_vcpus_maximum"] == 8
    assert (row("web-1").vcpus_maximum, row("web-1").next_boot_vcpus_maximum) == (4, 8)
