"""One guest's page: its tabs, each with a URL, and the parts that change while it is open."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from guests.views.guest_cards import PARTS, TABS, GuestCards, cards_for, parts_answer


@require_safe
def overview(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Memory, vCPUs, devices and what was asked last."""
    return show_tab(cards_for(request, guest_id), "overview")


@require_safe
def console(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Which consoles there are."""
    return show_tab(cards_for(request, guest_id), "console")


@require_safe
def resources(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Memory and vCPUs with their forms, and the last hour."""
    return show_tab(cards_for(request, guest_id), "resources")


@require_safe
def devices(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Every device."""
    return show_tab(cards_for(request, guest_id), "devices")


@require_safe
def history(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """All operations."""
    return show_tab(cards_for(request, guest_id), "history")


@require_safe
def fragment(request: HttpRequest, guest_id: UUID, name: str) -> HttpResponse:
    """The parts of one tab, or one part, as they are now: out of band, each for the element with its id."""
    cards = cards_for(request, guest_id)
    part = name.replace("-", "_")
    if name in TABS:
        return parts_answer(cards, TABS[name])
    if part not in PARTS:
        raise Http404(_("This page has no such part."))
    return parts_answer(cards, [part])


def show_tab(cards: GuestCards, tab: str, *, status: int = 200, **more: object) -> HttpResponse:
    """One tab as a whole page; `more` is for its template."""
    context = {"page": cards, "guest": cards.guest, "host": cards.host, "tab": tab, "section": "guests", **more}
    return render(cards.request, f"guests/guest_{tab}.html", context, status=status)
