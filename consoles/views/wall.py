"""Up to nine text consoles side by side."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from consoles.text.consoles_of import text_consoles_of
from guests.access import Action, visible_to
from guests.inventory.models import Guest

MOST = 9  # cells; one person may have ten consoles open


@dataclass(frozen=True, slots=True)
class Cell:
    """One console of the wall."""

    guest: Guest
    device: str


# xterm.js colours single characters with style attributes, as on a console's own page.
@csp_update({"style-src-attr": [UNSAFE_INLINE]})  # type: ignore[untyped-decorator]
@require_safe
def wall(request: HttpRequest) -> HttpResponse:
    """`?guest=<id>&guest=<id>…`, in that order: the first text console of each guest that this person may watch."""
    asked = _ids(request.GET.getlist("guest"))
    shown = asked[:MOST]
    found = visible_to(request.user, Action.WATCH).select_related("host").filter(pk__in=shown, gone_at=None)
    guests = {guest.pk: guest for guest in found}
    cells = [cell for pk in shown if pk in guests and (cell := _cell(guests[pk]))]
    if not cells:
        raise Http404(_("None of these guests has a text console that you may watch."))
    context = {
        "section": "guests",
        "cells": cells,
        "left_out": len(shown) - len(cells),
        "too_many": len(asked) > MOST,
        "most": MOST,
    }
    return render(request, "consoles/wall.html", context)


def _ids(values: list[str]) -> list[UUID]:
    """Each once, in the order asked for; what is no id names no guest."""
    found: dict[UUID, None] = {}
    for value in values[:100]:
        try:
            found[UUID(value)] = None
        except ValueError as error:
            raise Http404(_("That is no guest.")) from error
    return list(found)


def _cell(guest: Guest) -> Cell | None:
    consoles = text_consoles_of(guest)
    return Cell(guest, consoles[0].device) if consoles else None
