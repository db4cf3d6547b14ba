"""A guest's NICs: a page to add one, a page for each to change it or take it out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from guests.access import Action, guest_for
from guests.forms.device_form import DeviceForm
from guests.forms.nic_form import AddNICForm, ChangeNICForm, RemoveNICForm
from guests.inventory.mac_uses import duplicate_macs
from guests.inventory.models import Guest
from guests.views.guest_cards import signed_in
from guests.views.outcome import asked


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Another NIC, its MAC from the pool or typed."""
    guest = guest_for(request.user, guest_id, Action.DEVICES)
    form = AddNICForm(request.POST if request.method == "POST" else None, guest=guest, by=signed_in(request))
    if asked(request, form, _("A NIC was added.")):
        return redirect("guests:devices", guest.pk)
    return _page(request, guest, {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, guest_id: UUID, mac: str) -> HttpResponse:
    """One NIC: network, link and rates, and at the next boot model and MAC."""
    guest, by = guest_for(request.user, guest_id, Action.DEVICES), signed_in(request)
    nic = _nic(guest, mac)
    form = ChangeNICForm(request.POST if request.method == "POST" else None, guest=guest, by=by, nic=nic)
    if form.may_change and asked(request, form, _("The NIC was changed.")):
        return redirect("guests:devices", guest.pk)
    return _page(request, guest, {"form": form, "nic": nic, "out": RemoveNICForm(guest=guest, by=by, nic=nic)})


@require_POST
def remove(request: HttpRequest, guest_id: UUID, mac: str) -> HttpResponse:
    """Take a NIC out, now and at the next boot, or at the next boot only."""
    guest, by = guest_for(request.user, guest_id, Action.DEVICES), signed_in(request)
    nic = _nic(guest, mac)
    form = RemoveNICForm(request.POST, guest=guest, by=by, nic=nic)
    if asked(request, form, _("The NIC %(mac)s was taken out.") % {"mac": nic["mac"]}):
        return redirect("guests:devices", guest.pk)
    return _page(request, guest, {"form": ChangeNICForm(guest=guest, by=by, nic=nic), "nic": nic, "out": form})


def _page(request: HttpRequest, guest: Guest, context: dict[str, Any]) -> HttpResponse:
    nic = context.get("nic")
    context |= {"section": "guests", "guest": guest, "duplicates": duplicate_macs([nic["mac"]]) if nic else []}
    refused = any(form.errors for form in context.values() if isinstance(form, DeviceForm))
    return render(request, "guests/nic_form.html", context, status=422 if refused else 200)


def _nic(guest: Guest, mac: str) -> dict[str, Any]:
    """The NIC as it runs, else as the next boot has it."""
    definitions = (guest.definition or {}, guest.next_boot or {})
    for nic in (nic for definition in definitions for nic in definition.get("nics", [])):
        if nic["mac"] == mac.lower():
            return dict(nic)
    raise Http404(_("This guest has no such NIC."))
