"""Deleting a guest: what goes and what stays, asked once more by its name."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from guests.access import Action
from guests.forms.delete_form import DeleteGuestForm
from guests.inventory.models import Guest
from guests.views.guest_cards import cards_for, signed_in
from guests.views.guest_page import show_tab


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """The form; afterwards the page of what the guest was, with its history."""
    cards = cards_for(request, guest_id, Action.DEVICES)
    data = request.POST if request.method == "POST" else None
    form = DeleteGuestForm(data, guest=cards.guest, by=signed_in(request))
    if cards.guest.gone_at is not None or cards.guest.privileged:
        return redirect("guests:detail", guest_id)
    if form.is_valid():
        operation = form.submit(address=request.META.get("REMOTE_ADDR", ""))
        names = {"guest": cards.guest.name}
        if operation is not None:
            words = (
                _("%(guest)s was deleted.")
                if operation.is_over
                else _("%(guest)s: it was asked for, and is under way.")
            )
            messages.success(request, words % names)
            return redirect("guests:detail", guest_id)
        if Guest.objects.filter(pk=guest_id, gone_at__isnull=False).exists():  # some of its disks remain
            messages.error(request, " ".join(map(str, form.non_field_errors())))
            return redirect("guests:detail", guest_id)
    return show_tab(cards, "delete", status=422 if form.errors else 200, form=form)
