"""The pools of the hosts that somebody administrates, a pool with its volumes, and the media in them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from guests.access import Action, hosts_held, visible_to
from guests.access.storage import pool_for, pools_held
from guests.inventory.models import Host
from guests.inventory.storage import Pool, Volume, is_old
from guests.inventory.volume_uses import Use, uses_of, uses_on
from guests.operations.host_kinds import HOST_KINDS
from guests.operations.models import Operation
from guests.operations.upload_models import Upload
from guests.operations.volumes import formats_in
from guests.views.operation_list import OPEN, lines_of

PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class UsedBy:
    """Who uses a volume: guests that the person may see by name, others as a number."""

    seen: tuple[Use, ...]
    others: int

    @classmethod
    def of(cls, volume: Volume, on_host: dict[str, list[Use]], visible: set[UUID]) -> UsedBy:
        uses = uses_of(volume, on_host)
        seen = tuple(use for use in uses if use.guest_id in visible)
        return cls(seen, len({use.guest_id for use in uses} - visible))


@dataclass(frozen=True, slots=True)
class VolumeLine:
    """One volume as a list shows it."""

    volume: Volume
    used_by: UsedBy


@dataclass(frozen=True, slots=True)
class HostStorage:
    """The pools of one host."""

    host: Host
    pools: list[Pool]


@require_safe
def pools(request: HttpRequest) -> HttpResponse:
    """All pools, host by host. Two queries."""
    hosts = hosts_held(request.user, Action.STORAGE).filter(enabled=True).order_by("name")
    counted = pools_held(request.user).annotate(volume_count=Count("volumes")).order_by("name")
    of_host: dict[UUID, list[Pool]] = {}
    for pool in counted:
        of_host.setdefault(pool.host_id, []).append(pool)
    context = {"section": "hosts", "hosts": [HostStorage(host, of_host.get(host.pk, [])) for host in hosts]}
    part = request.headers.get("HX-Target") == "storage"
    return render(request, "guests/storage.html#listing" if part else "guests/storage.html", context)


@require_safe
def pool(request: HttpRequest, pool_id: int) -> HttpResponse:
    """One pool; ?q= narrows its volumes by name."""
    found = pool_for(request.user, pool_id)
    query = request.GET.get("q", "")[:100].replace("\0", "")
    volumes = found.volumes.filter(name__icontains=query).select_related("pool").order_by("name")
    page = Paginator(volumes, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "section": "hosts",
        "pool": found,
        "old": found.active and is_old(found, timezone.now(), 3 * settings.STORAGE_SECONDS + 30),
        "page": page,
        "lines": lines_with_uses(request, found.host, list(page.object_list)),
        "query": query,
        "may_make": found.active and bool(formats_in(found)),
        "uploads": Upload.objects.filter(pool=found),
        "operations": _under_way(request, found),
    }
    part = request.headers.get("HX-Target") == "pool-body"
    return render(request, "guests/pool.html#body" if part else "guests/pool.html", context)


@require_safe
def media(request: HttpRequest) -> HttpResponse:
    """CD and DVD images of all hosts, with the guests that have them in a drive."""
    found = Volume.objects.filter(pool__in=pools_held(request.user)).filter(
        Q(seen_format="iso") | Q(name__iendswith=".iso")
    )
    page = Paginator(found.select_related("pool__host").order_by("name", "pk"), PAGE_SIZE).get_page(
        request.GET.get("page")
    )
    of_host: dict[Host, list[Volume]] = {}
    for volume in page.object_list:
        of_host.setdefault(volume.pool.host, []).append(volume)
    lines = [line for host, volumes in of_host.items() for line in lines_with_uses(request, host, volumes)]
    lines.sort(key=lambda line: line.volume.name)
    return render(request, "guests/media.html", {"section": "hosts", "page": page, "lines": lines})


def lines_with_uses(request: HttpRequest, host: Host, volumes: list[Volume]) -> list[VolumeLine]:
    """Volumes of one host with who uses them; two queries however many."""
    on_host = uses_on(host)
    visible = set(visible_to(request.user).filter(host=host).values_list("pk", flat=True))
    return [VolumeLine(volume, UsedBy.of(volume, on_host, visible)) for volume in volumes]


def _under_way(request: HttpRequest, found: Pool) -> list[object]:
    """What is being done in the pool now."""
    storage = [name for name, kind in HOST_KINDS.items() if kind.action is Action.STORAGE]
    open_ones = Operation.objects.filter(host=found.host, guest=None, kind__in=storage, state__in=OPEN)
    here = [
        operation
        for operation in open_ones.select_related("host").order_by("asked_at")
        if str(found.uuid) in {operation.parameters.get("pool"), operation.parameters.get("to_pool")}
    ]
    return [*lines_of(request, here)]
