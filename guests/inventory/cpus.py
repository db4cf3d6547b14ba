"""The CPUs of each host, and what the vCPUs of guests that somebody looks at did last: rows of the host worker.

A page says which guests it shows (`look_at_vcpus`, noted at most every MARK_SECONDS); the worker reads those
(`guests_to_read`) and nobody else's. A row whose time is old is shown as unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import models
from django.utils import timezone

from guests.hypervisor.host_cpus import PhysicalCPU
from guests.inventory.leases import Lease, fenced
from guests.inventory.looking import mark
from guests.inventory.models import Guest, Host
from guests.resources import GuestState

MARK_SECONDS = 5.0
LOOKED = timedelta(seconds=15)  # so long after a mark somebody is taken to look: two marks and a bit
OLD = timedelta(seconds=12)  # figures of longer ago say nothing of now
_ACTIVE = [state.value for state in GuestState if state.is_active]


class HostCPUs(models.Model):
    """`cpus`: `PhysicalCPU` as JSON; `models`: the processors that its libvirt knows by name."""

    host = models.OneToOneField(Host, on_delete=models.CASCADE, primary_key=True, related_name="cpu_rows")
    cpus: models.JSONField[Any, Any] = models.JSONField(default=list)
    names: models.JSONField[Any, Any] = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{len(self.cpus)} CPUs of {self.host_id}"


class VCPUFigures(models.Model):
    """What a guest's vCPUs did last: `vcpus` holds {number, state, cpu, run_percent, wait_percent} of each."""

    guest = models.OneToOneField(Guest, on_delete=models.CASCADE, primary_key=True, related_name="vcpu_figures")
    looked_at = models.DateTimeField(db_index=True)
    taken_at = models.DateTimeField(null=True)
    lacking = models.BooleanField(default=False)  # the driver of its host cannot tell
    vcpus: models.JSONField[Any, Any] = models.JSONField(default=list)
    # {weight, cap_percent, vcpu_cap_percent} as the hypervisor tells them; empty where it tells none.
    scheduling: models.JSONField[Any, Any] = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"vCPUs of {self.guest_id}"

    @property
    def is_fresh(self) -> bool:
        """Whether they tell of now."""
        return self.taken_at is not None and timezone.now() - self.taken_at < OLD


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of one guest."""

    vcpus: Sequence[Mapping[str, Any]]
    scheduling: Mapping[str, int | None]
    lacking: bool = False


def keep_cpus(lease: Lease, cpus: Sequence[PhysicalCPU], names: Sequence[str]) -> None:
    """Make the host's row say what was read. Raises LeaseLost."""
    with fenced(lease):
        HostCPUs.objects.update_or_create(
            host_id=lease.host_id, defaults={"cpus": [asdict(cpu) for cpu in cpus], "names": list(names)}
        )


def cpus_of(host: Host) -> list[PhysicalCPU]:
    """The CPUs of a host that are online; numbered only before its libvirt told them."""
    row = HostCPUs.objects.filter(host=host).first()
    if row is not None and row.cpus:
        return [PhysicalCPU(**cpu) for cpu in row.cpus]
    return [PhysicalCPU(number) for number in range(host.cpus or 0)]


def cpu_names_of(host: Host) -> list[str]:
    """The processors that a guest of this host can be given by name."""
    return list(HostCPUs.objects.filter(host=host).values_list("names", flat=True).first() or [])


def look_at_vcpus(guests: Iterable[UUID]) -> None:
    """Somebody looks at these guests' vCPUs. The caller checked that they may be seen."""
    mark(VCPUFigures, "looked_at", guests, MARK_SECONDS)


def guests_to_read(host_id: UUID) -> dict[UUID, UUID]:
    """Libvirt's UUID → our id of the running guests of a host whose vCPUs somebody looks at."""
    found = Guest.objects.filter(
        host=host_id, gone_at=None, state__in=_ACTIVE, vcpu_figures__looked_at__gt=timezone.now() - LOOKED
    )
    return dict(found.order_by().values_list("uuid", "id"))


def hosts_with_figures_wanted(hosts: Iterable[UUID]) -> set[UUID]:
    """Those of these hosts with a guest whose vCPUs somebody looks at."""
    found = Guest.objects.filter(host__in=hosts, gone_at=None, vcpu_figures__looked_at__gt=timezone.now() - LOOKED)
    return set(found.order_by().values_list("host_id", flat=True).distinct())


def store_figures(lease: Lease, read: Mapping[UUID, Read]) -> None:
    """What was read, by our id of the guest; two statements, however many. Raises LeaseLost."""
    if not read:
        return
    now = timezone.now()
    with fenced(lease):
        VCPUFigures.objects.bulk_update(
            [
                VCPUFigures(
                    guest_id=guest,
                    taken_at=now,
                    lacking=found.lacking,
                    vcpus=list(found.vcpus),
                    scheduling=dict(found.scheduling),
                )
                for guest, found in read.items()
            ],
            ["taken_at", "lacking", "vcpus", "scheduling"],
        )
