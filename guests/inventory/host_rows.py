"""Rows of hosts: which the operator names, and what the worker knows about its connection to each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from guests import resources
from guests.inventory.changes import Feed, next_revision
from guests.inventory.leases import Lease, fenced
from guests.inventory.models import Guest, Host, HostState
from guests.inventory.row_writing import mark_conflicts


def sync_hosts(named: Mapping[str, str]) -> None:
    """Make the rows follow `name → URI`: new ones added, others switched off and kept with all that hangs on them."""
    with transaction.atomic():
        revision = next_revision(Feed.INVENTORY)
        now = timezone.now()
        rows = {row.name: row for row in Host.objects.select_for_update()}
        switched: list[Host] = []
        for name, uri in named.items():
            row = rows.get(name)
            if row is None:
                Host.objects.create(
                    name=name, uri=uri, state_since=now, tick_s=settings.TICK_SECONDS, revision=revision
                )
            elif row.uri != uri or not row.enabled or row.tick_s != settings.TICK_SECONDS:
                was_enabled, row.uri, row.enabled = row.enabled, uri, True
                row.tick_s, row.revision = settings.TICK_SECONDS, revision
                if not was_enabled:
                    row.state, row.state_since, row.message = HostState.CONNECTING, now, ""
                    switched.append(row)
                row.save()
        for name, row in rows.items():
            if name not in named and row.enabled:
                row.enabled, row.state, row.state_since = False, HostState.DISABLED, now
                row.message, row.detail, row.next_try_at, row.revision = "", "", None, revision
                row.save()
                switched.append(row)
        mark_conflicts(Guest.objects.filter(host__in=switched).values_list("uuid", flat=True), revision)


def write_host_state(
    lease: Lease, state: HostState, message: str = "", *, detail: str = "", next_try_at: datetime | None = None
) -> None:
    """What the connection to a host is like; `message` is a sentence for people, `detail` libvirt's own words."""
    with fenced(lease):
        hosts = Host.objects.filter(pk=lease.host_id)
        columns = {
            "state": state,
            "message": message[:500],
            "detail": detail[:2000],
            "next_try_at": next_try_at,
            "revision": next_revision(Feed.INVENTORY),
        }
        if not hosts.exclude(state=state).update(state_since=timezone.now(), **columns):
            hosts.update(**columns)


def fact_columns(facts: resources.HostFacts) -> dict[str, object]:
    """What a host is and has, as column values."""
    return {
        "hostname": facts.hostname[:255],
        "driver": facts.driver[:20],
        "hypervisor_version": facts.hypervisor_version[:40],
        "libvirt_version": facts.libvirt_version[:40],
        "architecture": facts.architecture[:20],
        "cpu_model": facts.cpu_model[:120],
        "cpus": facts.cpus,
        "memory_kib": facts.memory_kib,
        "free_memory_kib": facts.free_memory_kib,
    }
