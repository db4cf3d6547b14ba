"""After a boot of a host its guests are started in an order, with pauses: by Guesthouse, never by libvirt at once.

libvirt tells neither when a host booted nor why a guest is off after that, so every doubt leaves a guest off: a boot
counts where the host's CPU counters say so (`has_booted`) and it was not long ago; a guest is started where it was not
stopped since its libvirt started, and runs on no other host.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from guests.audit import record
from guests.inventory.changes import Feed, next_revision
from guests.inventory.leases import Lease, fenced
from guests.inventory.models import Guest, Host
from guests.operations.models import Operation, OperationState

START_KIND = "start_with_host"
OWN_NAME = "Guesthouse"  # who asks for what nobody asked
LATEST = timedelta(minutes=15)  # after a boot; a worker that hears of it later, or that was away since, starts nothing
SLOWEST = 0.25  # of real time that CPU counters show where the host's own host takes the rest


class StartPlace(models.Model):
    """A guest that is started after its host booted: the low numbers first, those of one number by name."""

    guest = models.OneToOneField(Guest, on_delete=models.CASCADE, primary_key=True, related_name="start_place")
    place = models.PositiveIntegerField()
    wait_seconds = models.PositiveIntegerField(default=0)  # after its start, until the next one's

    def __str__(self) -> str:
        return f"{self.guest_id} at {self.place}"


class HostBoot(models.Model):
    """For how long a host is up, as far as it tells, and its last boot that was noticed."""

    host = models.OneToOneField(Host, on_delete=models.CASCADE, primary_key=True, related_name="boot")
    up_seconds = models.FloatField()
    told_at = models.DateTimeField()
    booted_at = models.DateTimeField(null=True)  # None until a boot was noticed
    noticed_at = models.DateTimeField(null=True)
    over_at = models.DateTimeField(null=True)  # when nothing more was to be started after it

    def __str__(self) -> str:
        return f"{self.host_id} booted {self.booted_at}"


@dataclass(frozen=True, slots=True)
class Uptime:
    """What a host told of itself."""

    seconds: float
    told_at: datetime


def has_booted(before: Uptime, now: Uptime) -> bool:
    """Whether a host booted between two tellings. Counters of CPU time may lag behind (where the host is a guest
    itself, or slept), so they must say it twice: it is up for less than since it was last asked, and they hardly moved.
    """
    elapsed = (now.told_at - before.told_at).total_seconds()
    return now.seconds < elapsed and now.seconds - before.seconds < SLOWEST * elapsed


def tell_uptime(lease: Lease, seconds: float | None) -> None:
    """The host was read: note a boot since it was read before, of which this is the first word. None: it tells none."""
    if seconds is None:
        return
    now = Uptime(seconds, timezone.now())
    with fenced(lease):
        row = HostBoot.objects.filter(host_id=lease.host_id).first()
        if row is None:
            HostBoot.objects.create(host_id=lease.host_id, up_seconds=seconds, told_at=now.told_at)
            return
        if has_booted(Uptime(row.up_seconds, row.told_at), now):
            row.booted_at, row.noticed_at = now.told_at - timedelta(seconds=seconds), now.told_at
            row.over_at = None if now.told_at - row.booted_at < LATEST else now.told_at
            Host.objects.filter(pk=lease.host_id).update(revision=next_revision(Feed.INVENTORY))
        row.up_seconds, row.told_at = seconds, now.told_at
        row.save()


def start_what_is_due(lease: Lease) -> float | None:
    """Ask for the next start after a boot; answers in how many seconds another one is due, None where that is open."""
    boot = HostBoot.objects.filter(host_id=lease.host_id, noticed_at__isnull=False, over_at=None).first()
    if boot is None or boot.noticed_at is None:
        return None
    places = StartPlace.objects.filter(guest__host_id=lease.host_id, guest__gone_at=None)
    asked = {
        operation.guest_id: operation
        for operation in Operation.objects.filter(kind=START_KIND, asked_at__gte=boot.noticed_at).filter(
            guest__in=places.values("guest")
        )
    }
    due, now = boot.noticed_at, timezone.now()
    for place in places.select_related("guest__host").order_by("place", "guest__name", "pk"):
        operation = asked.get(place.pk)
        if operation is None:
            if place.guest.is_active:
                continue
            if due > now:
                return (due - now).total_seconds()
            if now - due < LATEST:
                _ask(lease, place)
                return None
            break
        if not operation.is_over:
            return None
        if operation.after.get("started"):
            due = (operation.ended_at or operation.asked_at) + timedelta(seconds=place.wait_seconds)
    with fenced(lease):
        HostBoot.objects.filter(pk=boot.pk).update(over_at=now)
        Host.objects.filter(pk=lease.host_id).update(revision=next_revision(Feed.INVENTORY))
    return None


def _ask(lease: Lease, place: StartPlace) -> None:
    """An operation that nobody asked for: it follows from what somebody set."""
    guest, asked = place.guest, {"place": place.place}
    with fenced(lease):
        operation = Operation.objects.create(
            kind=START_KIND,
            host=guest.host,
            guest=guest,
            asked_by_name=OWN_NAME,
            idempotency_key="",
            parameters=asked,
            state=OperationState.QUEUED,
            revision=next_revision(Feed.OPERATIONS),
        )
        record(f"guest.{START_KIND}", by_name=OWN_NAME, guest=guest, operation=str(operation.pk), asked=asked)
