"""Whether a host has room for a new guest: what cannot be is refused at its field, what may go wrong is asked back."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Sum
from django.utils.translation import gettext as _

from guests.hypervisor.capabilities import Offer
from guests.inventory.models import Guest, Host
from guests.inventory.storage import Pool, Volume
from guests.operations.creating import FILE_POOLS
from guests.resources import GuestState
from guests.units import memory_text, size_text


@dataclass(frozen=True, slots=True)
class Wanted:
    """The sizes of a new guest. `disk_bytes` is None without a new disk; of `image` the disk is a copy, or linked."""

    current_kib: int
    maximum_kib: int
    vcpus: int
    maximum_vcpus: int
    starts: bool
    pool: Pool | None = None
    disk_bytes: int | None = None
    image: Volume | None = None
    linked: bool = False


def refusals(host: Host, offer: Offer | None, wanted: Wanted) -> dict[str, str]:
    """What the host cannot give, by field."""
    free, total = host.free_memory_kib or 0, host.memory_kib or 0
    names = {"host": host.name, "total": memory_text(total), "free": memory_text(free)}
    found = {}
    if wanted.current_kib > wanted.maximum_kib:
        found["memory"] = _("More than the maximum memory, %(maximum)s.") % {"maximum": memory_text(wanted.maximum_kib)}
    elif host.memory_kib and wanted.current_kib > host.memory_kib:
        found["memory"] = _("%(host)s has %(total)s in all.") % names
    elif wanted.starts and host.free_memory_kib is not None and wanted.current_kib > host.free_memory_kib:
        found["memory"] = _("%(host)s has %(free)s free: ask for less, or do not start it now.") % names
    if host.memory_kib and wanted.maximum_kib > host.memory_kib:
        found["maximum"] = _("%(host)s has %(total)s in all.") % names
    if wanted.vcpus > wanted.maximum_vcpus:
        found["vcpus"] = _("More than the maximum, %(maximum)d vCPUs.") % {"maximum": wanted.maximum_vcpus}
    if offer is not None and offer.maximum_vcpus and wanted.maximum_vcpus > offer.maximum_vcpus:
        most = {"most": offer.maximum_vcpus}
        found["maximum_vcpus"] = _("At most %(most)d vCPUs with this kind of virtualisation.") % most
    if wanted.image is not None and wanted.disk_bytes is not None and wanted.disk_bytes < wanted.image.capacity_bytes:
        least = {"least": size_text(wanted.image.capacity_bytes)}
        found["size"] = _("The image needs at least %(least)s.") % least
    elif (needed := _needed_at_once(wanted)) and wanted.pool and needed > wanted.pool.available_bytes:
        room = {"pool": wanted.pool.name, "free": size_text(wanted.pool.available_bytes), "needed": size_text(needed)}
        found["pool"] = _("%(pool)s has %(free)s free, and %(needed)s are needed.") % room
    return found


def _needed_at_once(wanted: Wanted) -> int:
    """What of the new disk is occupied from the beginning."""
    if wanted.pool is None or wanted.disk_bytes is None:
        return 0
    if wanted.pool.kind not in FILE_POOLS:
        return wanted.disk_bytes
    return 0 if wanted.image is None or wanted.linked else wanted.image.allocation_bytes


def doubts(host: Host, wanted: Wanted) -> list[str]:
    """What works now and may fail later. One query."""
    active = [state.value for state in GuestState if state.is_active]
    running = Guest.objects.filter(host=host, gone_at=None, state__in=active)
    sums = running.aggregate(Sum("current_kib"), Sum("maximum_kib"))
    found = []
    names = {"host": host.name, "total": memory_text(host.memory_kib or 0)}
    if host.memory_kib and wanted.starts:
        given = (sums["current_kib__sum"] or 0) + wanted.current_kib
        promised = (sums["maximum_kib__sum"] or 0) + wanted.maximum_kib
        if given > host.memory_kib:
            text = _("With it %(given)s are given to running guests, and %(host)s has %(total)s.")
            found.append(text % {**names, "given": memory_text(given)})
        elif promised > host.memory_kib:
            text = _("With it running guests may together ask for %(promised)s, and %(host)s has %(total)s.")
            found.append(text % {**names, "promised": memory_text(promised)})
    if host.cpus and wanted.vcpus > host.cpus:
        found.append(_("%(host)s has only %(cpus)d CPUs.") % {**names, "cpus": host.cpus})
    if wanted.pool and wanted.disk_bytes and wanted.disk_bytes > wanted.pool.available_bytes:
        text = _("The disk may grow to %(size)s, and %(pool)s has %(free)s free: guests stop when it is full.")
        room = {"pool": wanted.pool.name, "free": size_text(wanted.pool.available_bytes)}
        found.append(text % {**room, "size": size_text(wanted.disk_bytes)})
    return found
