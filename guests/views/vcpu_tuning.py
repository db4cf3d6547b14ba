"""A guest's vCPUs in depth: weight and cap, pins, topology and model, each form one operation."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from guests.access import Action
from guests.forms.asking_form import AskingForm
from guests.forms.vcpu_tuning_forms import forms_that_fit
from guests.views.guest_cards import GuestCards, cards_for, signed_in
from guests.views.guest_page import show_tab
from guests.views.outcome import asked


@require_safe
def tuning(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """All forms that fit the guest and its host."""
    cards = cards_for(request, guest_id, Action.DEVICES)
    return show_tab(cards, "tuning", forms=_forms(cards))


@require_POST
def tune(request: HttpRequest, guest_id: UUID, what: str) -> HttpResponse:
    """One of them."""
    cards = cards_for(request, guest_id, Action.DEVICES)
    forms = _forms(cards)
    if what not in forms:
        raise Http404(_("This guest has no such setting."))
    form = forms[what].__class__(request.POST, guest=cards.guest, by=signed_in(request))
    if asked(request, form, _("%(guest)s: it was saved.") % {"guest": cards.guest.name}):
        return redirect("guests:tuning", guest_id)
    return show_tab(cards, "tuning", status=422, forms={**forms, what: form})


def _forms(cards: GuestCards) -> dict[str, AskingForm]:
    if not cards.may_change_devices:
        return {}
    by = signed_in(cards.request)
    return {what: form(guest=cards.guest, by=by) for what, form in forms_that_fit(cards.guest).items()}
