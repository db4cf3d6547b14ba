"""MACs over all hosts: how full the pools are, and every MAC that two guests have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from guests.access import Action, may, visible_to
from guests.inventory.mac_uses import duplicate_macs
from guests.inventory.models import Guest
from guests.operations.mac_pools import pool_uses


@dataclass(frozen=True, slots=True)
class DuplicateLine:
    """One MAC of several guests, of which the person may see some and change some."""

    mac: str
    since: datetime
    guests: list[tuple[Guest, bool]]  # with whether this person may give it another MAC
    hidden: int


@require_safe
def macs(request: HttpRequest) -> HttpResponse:
    """Duplicates among the guests that the person sees; pools for whoever administrates hosts."""
    found = duplicate_macs()
    asked = [guest.pk for duplicate in found for guest in duplicate.guests]
    seen = set(visible_to(request.user).filter(pk__in=asked).values_list("pk", flat=True))
    mendable = set(visible_to(request.user, Action.DEVICES).filter(pk__in=asked).values_list("pk", flat=True))
    lines = [
        DuplicateLine(
            duplicate.mac,
            duplicate.since,
            [(guest, guest.pk in mendable) for guest in duplicate.guests if guest.pk in seen],
            sum(guest.pk not in seen for guest in duplicate.guests),
        )
        for duplicate in found
        if any(guest.pk in seen for guest in duplicate.guests)
    ]
    sees_pools = may(request.user, Action.HOSTS)
    context = {"section": "macs", "lines": lines, "pools": pool_uses() if sees_pools else None}
    return render(request, "guests/macs.html", context)
