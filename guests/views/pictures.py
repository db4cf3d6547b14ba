"""Pictures of guests' screens: one as a file, those that a page shows now, and a wall of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from guests.access import Action, guest_for, visible_to
from guests.inventory.addresses import mark_addresses_wanted
from guests.inventory.models import Guest
from guests.inventory.pictures import Picture, mark_looked_at
from guests.resources import GuestState
from guests.templatetags.guesthouse import state
from guests.views.guest_list import GuestListing
from guests.views.list_query import PAGE_SIZE, ListQuery
from guests.views.pictures_shown import shown_pictures

WALL = 36  # pictures
MOST_ACROSS = 6


@require_safe
def picture(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """The last picture of a guest's screen, PNG. Never kept by a browser or a cache: it shows what somebody does."""
    guest = guest_for(request.user, guest_id, Action.WATCH)
    found = Picture.objects.filter(pk=guest.pk).exclude(digest="").values_list("content", flat=True).first()
    if found is None:
        raise Http404(_("There is no picture of this guest."))
    return HttpResponse(bytes(found), content_type="image/png")  # Cache-Control: no-store comes from the middleware


@require_POST
def pictures(request: HttpRequest) -> HttpResponse:
    """`guest=…&guest=…`: these are looked at now. Answers with picture and state of each, for pictures.js to place."""
    shown = list(_watched(request).filter(pk__in=_ids(request.POST.getlist("guest")[:PAGE_SIZE])))
    mark_looked_at(guest.pk for guest in shown)
    parts = [
        format_html('{}<span data-state-of="{}">{}</span>', screen.picture, screen.guest.pk, screen.state)
        for screen in _screens(shown)
    ]
    return HttpResponse("".join(parts))


@require_POST
def addresses(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """A page shows this guest's addresses now: the worker asks for them. What it finds comes by the guest's hint."""
    mark_addresses_wanted(guest_for(request.user, guest_id).pk)
    return HttpResponse(status=204)


@dataclass(frozen=True, slots=True)
class Screen:
    """One place on a wall."""

    guest: Guest
    picture: SafeString
    state: SafeString


@require_safe
def wall(request: HttpRequest) -> HttpResponse:
    """`?guest=<id>&guest=<id>…`, in that order, or, without ids, what the same address of the list would show."""
    chosen = _ids(request.GET.getlist("guest")[:PAGE_SIZE])
    if chosen:
        found = {guest.pk: guest for guest in _watched(request).filter(pk__in=chosen)}
        guests = [found[pk] for pk in chosen if pk in found]
    else:
        listing = GuestListing(request.user, ListQuery.from_parameters(request.GET))
        matching = listing.matching().filter(pk__in=_watched(request).values("pk")).select_related("host")
        guests = list(listing.query.ordered(matching)[: WALL + 1])
    shown = guests[:WALL]
    context = {
        "section": "guests",
        "screens": _screens(shown),
        "across": min(MOST_ACROSS, math.ceil(math.sqrt(len(shown)))),
        "left_out": max(0, len(chosen) - len(guests)),
        "too_many": len(guests) > WALL,
        "most": WALL,
    }
    return render(request, "guests/picture_wall.html", context)


def _watched(request: HttpRequest) -> QuerySet[Guest]:
    """The guests whose screens this person may see."""
    return visible_to(request.user, Action.WATCH).filter(gone_at=None).select_related("host")


def _screens(guests: list[Guest]) -> list[Screen]:
    hosts = {guest.host_id: guest.host for guest in guests}
    now = timezone.now()
    stale = {pk for pk, host in hosts.items() if host.is_stale(now)}
    pictures = shown_pictures(guests, hosts=hosts, stale=stale)
    return [
        Screen(guest, pictures[guest.pk], state(GuestState.UNKNOWN if guest.host_id in stale else guest.state))
        for guest in guests
    ]


def _ids(texts: list[str]) -> list[UUID]:
    """Each once, in the order asked for; what is no id names no guest."""
    found: dict[UUID, None] = {}
    for text in texts:
        try:
            found[UUID(text)] = None
        except ValueError:
            continue
    return list(found)
