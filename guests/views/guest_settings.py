"""A guest's tab "Settings": name, description, start with the host, boot order; each form asks one operation."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from guests.access import role_on
from guests.access.decisions import ACTIONS
from guests.access.models import ROLE_ORDER
from guests.forms.asking_form import AskingForm
from guests.forms.settings_forms import FORMS
from guests.operations.kinds import KINDS
from guests.views.guest_cards import GuestCards, cards_for, signed_in
from guests.views.guest_page import show_tab
from guests.views.outcome import asked


@require_safe
def settings(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """All forms that are this person's; who may change nothing sees what is set."""
    cards = cards_for(request, guest_id)
    return show_tab(cards, "setup", forms=_forms(cards))


@require_POST
def change(request: HttpRequest, guest_id: UUID, what: str) -> HttpResponse:
    """One setting."""
    if what not in FORMS:
        raise Http404(_("There is no such setting."))
    cards = cards_for(request, guest_id, KINDS[FORMS[what].kind].action)
    form = FORMS[what](request.POST, guest=cards.guest, by=signed_in(request))
    if asked(request, form, _("%(guest)s: it was saved.") % {"guest": cards.guest.name}):
        return redirect("guests:settings", guest_id)
    return show_tab(cards, "setup", status=422, forms={**_forms(cards), what: form})


def _forms(cards: GuestCards) -> dict[str, AskingForm]:
    guest, user = cards.guest, signed_in(cards.request)
    role = role_on(user, guest)
    if guest.gone_at is not None or guest.privileged or role is None:
        return {}
    return {
        what: form(guest=guest, by=user)
        for what, form in FORMS.items()
        if ROLE_ORDER.index(role) >= ROLE_ORDER.index(ACTIONS[KINDS[form.kind].action])
    }
