"""vCPUs are read for as long as somebody looks at them, and only those."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from guests.hypervisor.host_cpus import VCPU
from guests.inventory.cpus import HostCPUs, VCPUFigures, guests_to_read, look_at_vcpus
from guests.worker.cpu_thread import _percent
from tests.guests.inventory_rows import signed_in
from tests.guests.worker.conftest import RunningWorker, row, until

pytestmark = pytest.mark.timeout(60)


def test_a_guest_that_somebody_looks_at_is_read_again_and_again(worker: RunningWorker, admin: User) -> None:
    client, web = signed_in(admin), row("web-1")
    until(lambda: HostCPUs.objects.get().cpus)
    assert "Not read yet." in client.post(f"/guests/{web.pk}/cpus/now/").content.decode()
    figures = until(lambda: VCPUFigures.objects.filter(guest=web, taken_at__isnull=False).first())
    assert [vcpu["number"] for vcpu in figures.vcpus] == [0]
    assert figures.scheduling["weight"] is not None
    text = client.post(f"/guests/{web.pk}/cpus/now/").content.decode()
    assert "Live, every 2 seconds" in text
    assert "Weight" in text
    until(lambda: VCPUFigures.objects.get(guest=web).vcpus[0]["run_percent"] is not None)
    assert VCPUFigures.objects.get() == figures  # of nobody else


def test_nobody_looks_any_more(worker: RunningWorker) -> None:
    web = row("web-1")
    look_at_vcpus([web.pk, row("off-1").pk])
    assert guests_to_read(web.host_id) == {web.uuid: web.pk}  # what is shut off is not read
    VCPUFigures.objects.update(looked_at=timezone.now() - timedelta(minutes=1))
    assert guests_to_read(web.host_id) == {}


def test_a_share_is_of_the_time_between_two_readings() -> None:
    first = VCPU(0, "running", 1, 10_000_000_000, None, 100.0)
    assert _percent(None, first, "run_ns") is None
    assert _percent(first, VCPU(0, "running", 1, 11_000_000_000, 5, 102.0), "run_ns") == 50
    assert _percent(first, VCPU(0, "running", 1, 11_000_000_000, 5, 102.0), "wait_ns") is None
    assert _percent(first, VCPU(0, "running", 1, 5, 5, 102.0), "run_ns") is None  # it was started anew
