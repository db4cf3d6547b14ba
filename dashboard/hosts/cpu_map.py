"""The CPU map of a host: which vCPUs run on each of its CPUs, and which may run only there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from guests.access import hosts_visible_to, visible_to
from guests.cpu_sets import parse_cpu_set
from guests.hypervisor.host_cpus import PhysicalCPU
from guests.inventory.cpus import VCPUFigures, cpus_of, look_at_vcpus
from guests.inventory.models import Guest, Host
from guests.views.list_query import ACTIVE

BLOCK = 16  # CPUs of one table: a host of many is several columns


@dataclass(frozen=True, slots=True)
class Placed:
    """One vCPU that runs on a CPU, or is pinned to it; of a guest that the person sees."""

    guest: Guest
    vcpu: int
    run_percent: int | None
    wait_percent: int | None
    pinned: bool


@dataclass(slots=True)
class CPURow:
    """One CPU. The others are vCPUs of guests that the person does not see: how many, and what they run together."""

    cpu: PhysicalCPU
    running: list[Placed] = field(default_factory=list)
    pinned: list[Placed] = field(default_factory=list)  # may run only on few CPUs, this one among them; elsewhere now
    others: int = 0
    others_percent: int = 0

    @property
    def percent(self) -> int:
        """What all vCPUs together ran on it lately."""
        return min(100, self.others_percent + sum(placed.run_percent or 0 for placed in self.running))


@dataclass(frozen=True, slots=True)
class Block:
    """Some CPUs of one socket."""

    words: str
    rows: list[CPURow]


@require_safe
def cpus(request: HttpRequest, name: str) -> HttpResponse:
    """The map as a page; it asks for what is in it every two seconds."""
    host = _host(request.user, name)
    return render(request, "dashboard/cpu_map.html", {"section": "hosts", "host": host, **_map(request.user, host)})


@require_POST
def cpus_now(request: HttpRequest, name: str) -> HttpResponse:
    """Somebody looks at all guests of the host: the map as it is."""
    host = _host(request.user, name)
    look_at_vcpus(_running(host).values_list("pk", flat=True))
    return render(request, "dashboard/cpu_map.html#map", {"host": host, **_map(request.user, host)})


def _host(user: AbstractBaseUser | AnonymousUser, name: str) -> Host:
    host = hosts_visible_to(user).filter(name=name).first()
    if host is None:
        raise Http404(_("No such host."))
    return host


def _running(host: Host) -> QuerySet[Guest]:
    return Guest.objects.filter(host=host, gone_at=None, state__in=ACTIVE)


def _map(user: AbstractBaseUser | AnonymousUser, host: Host) -> dict[str, object]:
    """Four queries, however many guests and CPUs."""
    seen = set(visible_to(user).filter(host=host, gone_at=None).values_list("pk", flat=True))
    figures = {found.pk: found for found in VCPUFigures.objects.filter(guest__in=_running(host)) if found.is_fresh}
    rows = {cpu.number: CPURow(cpu) for cpu in cpus_of(host)}
    for guest in _running(host).order_by("name").only("id", "name", "definition", "vcpus_current"):
        _place(guest, figures.get(guest.pk), rows, named=guest.pk in seen)
    return {
        "blocks": list(_blocks(rows)),
        "fresh": bool(figures),
        "lacking": any(found.lacking for found in figures.values()),
        "cpu_count": len(rows),
    }


def _place(guest: Guest, figures: VCPUFigures | None, rows: dict[int, CPURow], *, named: bool) -> None:
    every = len(rows)
    told = {vcpu["number"]: vcpu for vcpu in (figures.vcpus if figures else [])}
    pins = {pin["vcpu"]: pin["cpus"] for pin in (guest.definition or {}).get("tuning", {}).get("pins", [])}
    for number in {*told, *(vcpu for vcpu in pins if vcpu < guest.vcpus_current)}:
        now = told.get(number, {})
        placed = Placed(guest, number, now.get("run_percent"), now.get("wait_percent"), number in pins)
        row = rows.get(now.get("cpu", -1))
        if row is not None and not named:
            row.others += 1
            row.others_percent += placed.run_percent or 0
        elif row is not None:
            row.running.append(placed)
        allowed = parse_cpu_set(pins.get(number, ""))
        if named and len(allowed) < every:
            for cpu in allowed - ({now["cpu"]} if row is not None else set()):
                if cpu in rows:
                    rows[cpu].pinned.append(placed)


def _blocks(rows: dict[int, CPURow]) -> Iterator[Block]:
    """By NUMA node and socket, at most BLOCK of them together."""
    sockets: dict[tuple[int, int], list[CPURow]] = defaultdict(list)
    for row in rows.values():
        sockets[row.cpu.node, row.cpu.socket].append(row)
    for (node, socket), found in sorted(sockets.items()):
        found.sort(key=lambda row: (row.cpu.core, row.cpu.number))
        for first in range(0, len(found), BLOCK):
            words = _("NUMA node %(node)d, socket %(socket)d") % {"node": node, "socket": socket}
            yield Block(words, found[first : first + BLOCK])
