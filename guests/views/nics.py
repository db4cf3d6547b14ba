"""A guest's NICs: a page to add one, a page for each to change it or take it out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from guests.access import Action, guest_for
from guests.forms.asking_form import WAIT_SECONDS
from guests.forms.nic_form import NICForm
from guests.forms.times import when_parameters
from guests.inventory.mac_uses import duplicate_macs
from guests.inventory.models import Guest
from guests.operations import ask, new_key, wait_for_end
from guests.views.guest_cards import signed_in
from guests.views.outcome import say_outcome


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Another NIC, its MAC from the pool or typed."""
    guest = guest_for(request.user, guest_id, Action.DEVICES)
    return _form(request, guest, None)


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, guest_id: UUID, mac: str) -> HttpResponse:
    """One NIC: network, link and rates, and at the next boot model and MAC."""
    guest = guest_for(request.user, guest_id, Action.DEVICES)
    return _form(request, guest, _nic(guest, mac))


@require_POST
def remove(request: HttpRequest, guest_id: UUID, mac: str) -> HttpResponse:
    """Take a NIC out, now and at the next boot, or at the next boot only."""
    guest = guest_for(request.user, guest_id, Action.DEVICES)
    nic = _nic(guest, mac)
    form = NICForm(guest=guest, by=signed_in(request), nic=nic)
    when = request.POST.get("when", "")
    operation = wait_for_end(
        ask(
            "remove_nic",
            guest,
            by=signed_in(request),
            key=request.POST.get("key", "")[:56] or new_key(),
            parameters={"mac": nic["mac"], **when_parameters(when if when in dict(form.times) else form.times[0][0])},
            before={"source": nic["source"]},
            address=request.META.get("REMOTE_ADDR", ""),
        ),
        seconds=WAIT_SECONDS,
    )
    say_outcome(request, guest, operation, _("The NIC %(mac)s was taken out.") % {"mac": nic["mac"]})
    return redirect("guests:devices", guest.pk)


def _form(request: HttpRequest, guest: Guest, nic: dict[str, Any] | None) -> HttpResponse:
    by = signed_in(request)
    form = NICForm(request.POST if request.method == "POST" else None, guest=guest, by=by, nic=nic)
    if form.is_bound and form.may_change and form.is_valid():
        operation = form.submit(address=request.META.get("REMOTE_ADDR", ""))
        if operation is not None:
            done = _("The NIC was changed.") if nic else _("A NIC was added.")
            say_outcome(request, guest, operation, done)
            return redirect("guests:devices", guest.pk)
    context = {
        "section": "guests",
        "guest": guest,
        "form": form,
        "nic": nic,
        "duplicates": duplicate_macs([nic["mac"]]) if nic else [],
    }
    return render(request, "guests/nic_form.html", context, status=422 if form.errors else 200)


def _nic(guest: Guest, mac: str) -> dict[str, Any]:
    """The NIC as it runs, else as the next boot has it."""
    definitions = (guest.definition or {}, guest.next_boot or {})
    for nic in (nic for definition in definitions for nic in definition.get("nics", [])):
        if nic["mac"] == mac.lower():
            return dict(nic)
    raise Http404(_("This guest has no such NIC."))
