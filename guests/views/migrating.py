"""Migrating a guest: where it can go and why not elsewhere, and asking for it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from guests.access import Action
from guests.forms.migrate_form import MigrateForm
from guests.views.guest_cards import cards_for, signed_in
from guests.views.guest_page import show_tab


@require_http_methods(["GET", "HEAD", "POST"])
def migrate(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """The form; once it is under way, the guest's page shows how far it came."""
    cards = cards_for(request, guest_id, Action.MIGRATE)
    data = request.POST if request.method == "POST" else None
    form = MigrateForm(data, guest=cards.guest, by=signed_in(request))
    if data is not None and form.is_valid():
        operation = form.submit(address=request.META.get("REMOTE_ADDR", ""))
        if operation is not None:
            names = {"guest": cards.guest.name, "host": form.cleaned_data["to"]}
            if operation.is_over:
                messages.success(request, _("%(guest)s is on %(host)s now.") % names)
            else:
                messages.info(request, _("%(guest)s is on its way to %(host)s.") % names)
            return redirect("guests:detail", guest_id)
    return show_tab(cards, "migrate", status=422 if form.errors else 200, form=form)
