"""Switching a guest on and off, pausing and resuming it: one POST each."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from guests.access import Action
from guests.operations import ask, new_key, wait_for_end
from guests.operations.models import Operation, OperationState
from guests.views.guest_cards import GuestCards, cards_for, parts_answer, signed_in
from guests.views.power_acts import ACTS, fitting_acts

WAIT_SECONDS = 2.0
FAILED = {OperationState.FAILED, OperationState.DENIED, OperationState.UNKNOWN}


@require_POST
def power(request: HttpRequest, guest_id: UUID, kind: str) -> HttpResponse:
    """Ask for one power act, wait a moment for its end, and say what came of it."""
    if kind not in ACTS:
        raise Http404(_("There is no such act."))
    cards = cards_for(request, guest_id, Action.POWER)
    operation = None
    if kind in fitting_acts(cards.guest):
        operation = ask(
            kind,
            cards.guest,
            by=signed_in(request),
            key=request.POST.get("key", "")[:64] or new_key(),
            before={"state": cards.guest.state},
            address=request.META.get("REMOTE_ADDR", ""),
        )
        wait_for_end(operation, seconds=WAIT_SECONDS)
    _say(request, cards, kind, operation)
    if request.headers.get("HX-Request"):
        return parts_answer(cards_for(request, guest_id), ("header", "messages", "operations"))
    return redirect("guests:detail", guest_id)


def _say(request: HttpRequest, cards: GuestCards, kind: str, operation: Operation | None) -> None:
    names = {"guest": cards.guest.name, "act": ACTS[kind].label}
    if operation is None:
        messages.warning(request, _("%(act)s does not fit: look at what %(guest)s does now.") % names)
    elif operation.state in FAILED:
        messages.error(request, operation.message or _("%(guest)s: %(act)s failed.") % names)
    elif not operation.is_over:
        messages.info(request, _("%(guest)s: %(act)s was asked for, and is under way.") % names)
    else:
        messages.success(request, operation.message or _("%(guest)s: %(act)s is done.") % names)
