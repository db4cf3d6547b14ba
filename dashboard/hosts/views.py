"""The hosts, and one of them: what it has, what its guests hold of it, and how its worker is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, Q, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from dashboard.hosts.commitment import Commitment
from dashboard.hosts.starts import starts_of
from guests.access import Action, hosts_held, hosts_visible_to, may, may_on, visible_to
from guests.inventory.models import Host, HostLease, HostState
from guests.operations.models import Operation, OperationState
from guests.resources import GuestState
from guests.views.guest_row import build_rows, place_rows
from guests.views.list_query import ACTIVE, tags_of
from guests.views.listed_guest import listed
from guests.views.operation_list import seen_operations

GUESTS_SHOWN = 100
MARKS = {
    HostState.UP: "running",
    HostState.DEGRADED: "waiting",
    HostState.CONNECTING: "queued",
    HostState.UNREACHABLE: "failed",
    HostState.AUTH_FAILED: "denied",
    HostState.DISABLED: "shut-off",
}


@dataclass(frozen=True, slots=True)
class HostLine:
    """One host with what its guests (those that the person sees) hold of it."""

    host: Host
    mark: str
    word: str
    silent: bool  # the state is old: its worker did not read it for three ticks
    guests: int
    active: int
    commitment: Commitment


@require_safe
def host_list(request: HttpRequest) -> HttpResponse:
    """All hosts of which the person sees at least one guest."""
    context = {
        "section": "hosts",
        "lines": host_lines(request.user),
        "may_use_storage": hosts_held(request.user, Action.STORAGE).exists(),
    }
    part = request.headers.get("HX-Target") == "host-list"
    return render(request, "dashboard/host_list.html#listing" if part else "dashboard/host_list.html", context)


@require_safe
def host_detail(request: HttpRequest, name: str) -> HttpResponse:
    """One host."""
    lines = host_lines(request.user, name)
    if not lines:
        raise Http404(_("No such host."))
    line = lines[0]
    counts = dict(
        seen_operations(request.user).filter(host=line.host).order_by().values_list("state").annotate(Count("pk"))
    )
    context = {
        "section": "hosts",
        "line": line,
        "host": line.host,
        "lease": HostLease.objects.filter(host=line.host).first(),
        "now": timezone.now(),
        "running": counts.get(OperationState.RUNNING, 0),
        "waiting": counts.get(OperationState.WAITING, 0),
        "queued": counts.get(OperationState.QUEUED, 0),
        "may_administer": may(request.user, Action.HOSTS),
        "may_create": may_on(request.user, Action.CREATE, line.host),
        "rows": _rows(request, line.host),
        "guests_shown": GUESTS_SHOWN,
        "starts": starts_of(line.host, request.user),
    }
    part = request.headers.get("HX-Target") == "host-body"
    return render(request, "dashboard/host_detail.html#body" if part else "dashboard/host_detail.html", context)


def host_lines(user: AbstractBaseUser | AnonymousUser, name: str | None = None) -> list[HostLine]:
    """The hosts with the sums of their guests: two queries."""
    hosts = hosts_visible_to(user).order_by("name")
    if name is not None:
        hosts = hosts.filter(name=name)
    now = timezone.now()
    active = Q(state__in=ACTIVE)
    sums: dict[UUID, Mapping[str, Any]] = {
        row["host_id"]: cast("Mapping[str, Any]", row)
        for row in visible_to(user)
        .filter(gone_at=None, host__in=hosts)
        .order_by()
        .values("host_id")
        .annotate(
            guests=Count("pk"),
            active=Count("pk", filter=active),
            current=Sum("current_kib", filter=active),
            maximum=Sum("maximum_kib", filter=active),
            usable=Sum("usable_kib", filter=active & Q(usable_kib__isnull=False)),
            reporting=Sum("current_kib", filter=active & Q(usable_kib__isnull=False)),
            vcpus=Sum("vcpus_current", filter=active),
        )
    }
    return [_line(host, sums.get(host.pk, {}), silent=host.is_stale(now)) for host in hosts]


def _line(host: Host, sums: Mapping[str, Any], *, silent: bool) -> HostLine:
    state = HostState(host.state)
    old = silent and state in {HostState.UP, HostState.DEGRADED}
    return HostLine(
        host=host,
        mark="unknown" if old else MARKS[state],
        word=_("Not read") if old else str(state.label),
        silent=silent,
        guests=sums.get("guests") or 0,
        active=sums.get("active") or 0,
        commitment=Commitment.of(host, sums),
    )


def _rows(request: HttpRequest, host: Host) -> SafeString:
    """The rows of the first guests of the host, running ones first."""
    guests = list(
        listed(visible_to(request.user).filter(host=host, gone_at=None).order_by("domain_id", "name")[:GUESTS_SHOWN])
    )
    guests.sort(key=lambda guest: (guest.state == GuestState.SHUT_OFF, guest.name.lower()))
    now = timezone.now()
    operations: dict[object, Operation] = {}
    for operation in Operation.objects.filter(
        guest__in=[guest.pk for guest in guests],
        state__in=[OperationState.QUEUED, OperationState.RUNNING, OperationState.WAITING],
    ).order_by("asked_at"):
        operations[operation.guest_id] = operation
    rows = build_rows(
        guests,
        hosts={host.pk: host},
        stale={host.pk} if host.is_stale(now) else set(),
        operations={guest.pk: operations[guest.pk] for guest in guests if guest.pk in operations},
        powered=set(),
        tags=tags_of([guest.pk for guest in guests]),
        now=now,
    )
    return place_rows(rows, "dashboard/includes/host_guest.html")
