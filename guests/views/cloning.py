"""Cloning a guest: what becomes a copy, what is new, what is shared; then the page of the clone."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from guests.access import Action
from guests.forms.clone_form import CloneForm
from guests.views.guest_cards import cards_for, signed_in
from guests.views.guest_page import show_tab


@require_http_methods(["GET", "HEAD", "POST"])
def clone(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """The form; a clone that takes longer is followed on the page of its source."""
    cards = cards_for(request, guest_id, Action.DEVICES)
    data = request.POST if request.method == "POST" else None
    form = CloneForm(data, guest=cards.guest, by=signed_in(request))
    if form.is_valid():
        operation = form.submit(address=request.META.get("REMOTE_ADDR", ""))
        if operation is not None:
            names = {"guest": cards.guest.name, "clone": form.cleaned_data["name"]}
            if operation.is_over and operation.after.get("guest"):
                messages.success(request, _("This is %(clone)s, cloned from %(guest)s.") % names)
                return redirect("guests:detail", operation.after["guest"])
            messages.info(request, _("%(clone)s is being made; it will be in the list of guests.") % names)
            return redirect("guests:detail", guest_id)
    return show_tab(cards, "clone", status=422 if form.errors else 200, form=form)
