"""Starting with the host, as the worker does it to hosts of libvirt's test driver; libvirt is asked what happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from guests.inventory.models import Guest, Host
from guests.operations.host_starts import HostBoot, StartPlace
from guests.operations.models import Operation
from tests.guests.worker.conftest import RunningWorker, domain, row, until
from tests.labs.host_xml import HostXml


@pytest.fixture
def served(host_xml: HostXml, start_worker: Callable[..., RunningWorker]) -> RunningWorker:
    """web-1 runs; off-1, off-2 and off-3 are shut off."""
    host_xml.add_guest("web-1")
    for number in (1, 2, 3):
        host_xml.add_guest(f"off-{number}", running=False)
    running = start_worker({"alpha": host_xml.uri})
    until(lambda: Guest.objects.count() == 4)
    assert not HostBoot.objects.exists()  # the test driver does not tell when it booted
    HostBoot.objects.create(host=Host.objects.get(), up_seconds=100, told_at=timezone.now())
    return running


def boot(worker: RunningWorker) -> None:
    """As if the host had just booted."""
    now = timezone.now()
    HostBoot.objects.update(booted_at=now, noticed_at=now, over_at=None)
    worker.service("alpha").actions.wake()
    until(lambda: HostBoot.objects.filter(over_at__isnull=False).exists(), 15)


def test_guests_start_in_order_once_and_whatever_is_in_doubt_stays_off(served: RunningWorker) -> None:
    for name, place in (("off-1", 2), ("off-2", 1), ("off-3", 3), ("web-1", 1)):
        StartPlace.objects.create(guest=row(name), place=place)
    stopped = domain(served, "off-3")  # somebody started and stopped it since the boot
    stopped.create()
    stopped.destroy()
    until(lambda: row("off-3").reason == "destroyed")
    boot(served)
    asked = [(o.guest.name, o.state) for o in Operation.objects.order_by("asked_at") if o.guest]
    assert asked == [("off-2", "done"), ("off-1", "done"), ("off-3", "failed")]
    assert [domain(served, name).isActive() for name in ("off-1", "off-2", "off-3")] == [1, 1, 0]
    assert "was stopped after its host had booted" in Operation.objects.get(guest=row("off-3")).message
    domain(served, "off-1").destroy()
    until(lambda: row("off-1").state == "shut-off")
    served.service("alpha").actions.wake()
    assert Operation.objects.count() == 3


def test_a_guest_that_runs_on_another_host_is_not_started_a_second_time(served: RunningWorker) -> None:
    twin, other = row("off-1"), Host.objects.create(name="beta", uri="test:///default")
    Guest.objects.create(
        id="5f3c1b0e-0000-4000-8000-00000000dddd", uuid=twin.uuid, name="x", host=other, state="running"
    )
    StartPlace.objects.create(guest=twin, place=1)
    boot(served)
    operation = Operation.objects.get()
    assert operation.state == "failed" and "runs on another host" in operation.message
    assert not domain(served, "off-1").isActive()


def test_a_place_takes_libvirts_flag_and_the_flag_takes_the_place(
    served: RunningWorker, asked: Callable[..., Operation]
) -> None:
    asked("set_autostart", "off-1", autostart=True)
    seen = {"place": None, "wait_seconds": 0, "autostart": True}
    done = asked("set_start_order", "off-1", before=seen, place=3, wait_seconds=20)
    assert (done.state, done.after) == ("done", {"autostart": False, "place": 3, "wait_seconds": 20})
    assert domain(served, "off-1").autostart() == 0
    assert "changed since you opened the form" in asked("set_start_order", "off-1", before=seen, place=1).message
    asked("set_autostart", "off-1", autostart=True)
    assert domain(served, "off-1").autostart() == 1
    assert not StartPlace.objects.exists()
    asked("set_start_order", "off-1", place=3)
    assert asked("set_start_order", "off-1", place=None).after["place"] is None
    assert domain(served, "off-1").autostart() == 0


@pytest.mark.parametrize("wrong", [{"place": 0}, {"place": "1"}, {"place": 1, "wait_seconds": 3601}, {"place": 1000}])
def test_a_place_out_of_range_is_refused(
    served: RunningWorker, asked: Callable[..., Operation], wrong: dict[str, Any]
) -> None:
    assert asked("set_start_order", "off-1", **wrong).state == "failed"
    assert not StartPlace.objects.exists()


def test_a_host_that_does_not_tell_when_it_booted_has_no_order(
    served: RunningWorker, asked: Callable[..., Operation]
) -> None:
    HostBoot.objects.all().delete()
    assert "does not tell when it booted" in asked("set_start_order", "off-1", place=1).message
