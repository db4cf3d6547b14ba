"""Guests: the list as the page filters and sorts it, one of them, its last hour, and finding one."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from django.db.models import prefetch_related_objects
from django.http import HttpRequest
from django.utils import timezone
from ninja import P, Query, QueryEx, Router
from pydantic import BaseModel, Field

from dashboard.api.errors import ErrorAnswer
from dashboard.api.shapes import DefinitionShape, DiskUse, GuestShape, NICUse, Samples, SnapshotShape, WholeGuest
from guests.access import Action, guest_for, may, role_on
from guests.inventory.addresses import GuestAddresses
from guests.inventory.models import Guest
from guests.resources import GuestState
from guests.views.addresses_shown import told_addresses
from guests.views.find import cleaned, found_by
from guests.views.guest_list import GuestListing
from guests.views.list_query import PAGE_SIZE, SORTS, ListQuery
from guests.views.plugged_rows import plugged_card
from guests.views.power_acts import fitting_acts

router = Router(tags=["Guests"])
Sort = StrEnum("Sort", [(sign + key, sign + key) for key in SORTS for sign in ("", "-")])  # type: ignore[misc]
LIST_ANSWERS = {frozenset({401, 422, 429}): ErrorAnswer}
ONE_ANSWERS = {frozenset({401, 404, 422, 429}): ErrorAnswer}
NOT_SHOWN = ("definition", "next_boot", "disk_usage", "nic_usage", "cpu_history", "snapshots")


class GuestFilters(BaseModel):
    """The search, chips and order of the list of guests."""

    q: str = Field("", max_length=200, description="A part of the name, MAC address or UUID, or the domain id.")
    state: GuestState | None = Field(None, description="Unknown: all those of hosts that do not answer.")
    host: str = Field("", max_length=63, description="The host's name.")
    tag: str = Field("", max_length=40)
    pending: bool = Field(False, description="Only those whose next boot changes memory or vCPUs.")
    sort: Sort = Field(Sort("name"), description="With a minus: descending. What is not known comes last either way.")
    page: int = Field(1, ge=1, le=999999, description="Of 100 guests.")


class GuestPage(BaseModel):
    """One page of guests."""

    items: list[GuestShape]
    total: int = Field(description="On all pages.")
    page: int
    pages: int


class Found(BaseModel):
    """What answers to a name, id or UUID: exactly where one does, else names and MAC addresses in part."""

    items: list[GuestShape]


@router.get("/guests", response={200: GuestPage, **LIST_ANSWERS}, summary="List guests")
def list_guests(request: HttpRequest, filters: Query[GuestFilters]) -> GuestPage:
    """The guests that the token's owner sees and the token is for, 100 on a page."""
    query = ListQuery(
        q=cleaned(filters.q),
        state=filters.state.value if filters.state else "",
        host=filters.host.replace("\0", ""),
        tag=filters.tag.replace("\0", ""),
        pending=filters.pending,
        sort=filters.sort.value,
        page=filters.page,
    )
    listing = GuestListing(request.user, query)
    start = (query.page - 1) * PAGE_SIZE
    guests = query.ordered(listing.matching())[start : start + PAGE_SIZE]
    shown = guests.select_related("host").prefetch_related("tags").defer(*NOT_SHOWN)
    return GuestPage(
        items=[GuestShape.of(guest, silent=guest.host_id in listing.stale) for guest in shown],
        total=listing.total,
        page=query.page,
        pages=listing.pages,
    )


@router.get("/find", response={200: Found, **LIST_ANSWERS}, summary="Find a guest")
def find(request: HttpRequest, q: QueryEx[str, P(max_length=200, description="A name, id or UUID.")]) -> Found:
    """As the search field of the pages does; a UUID also finds a guest that is gone. At most 100."""
    now, guests = timezone.now(), found_by(request.user, cleaned(q))
    prefetch_related_objects(guests, "tags")
    return Found(items=[GuestShape.of(guest, silent=guest.host.is_stale(now)) for guest in guests])


@router.get("/guests/{uuid:guest_id}", response={200: WholeGuest, **ONE_ANSWERS}, summary="Show a guest")
def show_guest(request: HttpRequest, guest_id: UUID) -> WholeGuest:
    """Live and next boot, memory, vCPUs, disks, NICs and consoles, and what can be asked of it now."""
    guest = guest_for(request.user, guest_id)
    silent = guest.host.is_stale(timezone.now())
    return WholeGuest.of(
        guest,
        silent=silent,
        live=DefinitionShape.of(guest, guest.definition) if guest.is_active else None,
        next_boot=DefinitionShape.of(guest, guest.next_boot),
        disk_use=[DiskUse(**used) for used in guest.disk_usage],
        nic_use=[NICUse(**used) for used in guest.nic_usage],
        addresses=told_addresses(guest, GuestAddresses.objects.filter(guest=guest).first()),
        snapshots=[SnapshotShape(**snapshot) for snapshot in guest.snapshots],
        role=role_on(request.user, guest),
        acts=_acts(request, guest) if not silent else [],
    )


@router.get("/guests/{uuid:guest_id}/samples", response={200: Samples, **ONE_ANSWERS}, summary="Show the last hour")
def show_samples(request: HttpRequest, guest_id: UUID) -> Samples:
    """The CPU of each minute."""
    return Samples.of(guest_for(request.user, guest_id))


def _acts(request: HttpRequest, guest: Guest) -> list[str]:
    acts = list(fitting_acts(guest)) if may(request.user, Action.POWER, guest) else []
    resizable = guest.gone_at is None and may(request.user, Action.RESIZE, guest)
    return [*acts, *(["memory", "vcpus", "settings"] if resizable else []), *_plugging(guest, resizable=resizable)]


def _plugging(guest: Guest, *, resizable: bool) -> list[str]:
    card = plugged_card(guest)
    return ["plug_memory"] if resizable and card.is_possible and card.has_room else []
