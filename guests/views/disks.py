"""A guest's disks: a page to add one, a page for each: what it is, and what can be done with it."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from guests.access import Action, guest_for, may_on
from guests.forms.asking_form import AskingForm
from guests.forms.disk_acts import EjectForm, GrowForm, MediumForm, RemoveForm
from guests.forms.disk_form import BusForm, DiskForm, DriveForm
from guests.forms.new_disk_form import NewDiskForm
from guests.inventory.disk_uses import volumes_of
from guests.inventory.models import Guest
from guests.views.device_rows import DiskRow, disk_rows
from guests.views.guest_cards import signed_in
from guests.views.outcome import asked


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Another hard disk: on a volume of a pool, or on one that is made for it."""
    return _added(request, guest_id, DiskForm, _("A disk was added."))


@require_POST
def add_new(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Another hard disk, on a new empty volume."""
    return _added(request, guest_id, NewDiskForm, _("A disk was added."))


@require_http_methods(["GET", "HEAD", "POST"])
def add_drive(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Another CD-ROM drive."""
    return _added(request, guest_id, DriveForm, _("A CD-ROM drive was added."))


@require_safe
def disk(request: HttpRequest, guest_id: UUID, target: str) -> HttpResponse:
    """One disk and what can be done with it."""
    return _page(request, DiskPage(guest_for(request.user, guest_id, Action.DEVICES), target, signed_in(request)))


@require_POST
def act(request: HttpRequest, guest_id: UUID, target: str, act: str) -> HttpResponse:
    """Grow it, take it out, change or eject its medium."""
    page = DiskPage(guest_for(request.user, guest_id, Action.DEVICES), target, signed_in(request), (act, request.POST))
    form = page.acts.get(act)
    if form is None:
        raise Http404(_("This disk has no such form."))
    if asked(request, form, DONE[act]()):
        return redirect("guests:devices", page.guest.pk)
    return _page(request, page, status=422)


class DiskPage:
    """What the page of one disk shows; `sent` is what was sent to one of its forms."""

    def __init__(self, guest: Guest, target: str, by: AbstractBaseUser, sent: tuple[str, Any] = ("", None)) -> None:
        self.guest, self.target, self._by = guest, target, by
        self._sent = sent

    @cached_property
    def row(self) -> DiskRow:
        """As the devices tab shows it."""
        target = self._disk["target"]
        return next(row for row in disk_rows(self.guest, volumes_of(self.guest)) if row.target == target)

    @cached_property
    def _disk(self) -> dict[str, Any]:
        """The disk as it runs, else as the next boot has it."""
        for definition in (self.guest.definition or {}, self.guest.next_boot or {}):
            for disk in definition.get("disks", []):
                if disk["target"] == self.target:
                    return dict(disk)
        raise Http404(_("This guest has no such disk."))

    @cached_property
    def acts(self) -> dict[str, AskingForm]:
        """The forms that fit this disk, by the last word of their addresses."""
        guest, disk = self.guest, self._disk
        forms: dict[str, AskingForm] = {}
        if disk["device"] == "cdrom":
            forms["medium"] = MediumForm(self._data("medium"), guest=guest, by=self._by, disk=disk)
            if disk["source"]:
                forms["eject"] = EjectForm(self._data("eject"), guest=guest, by=self._by, disk=disk)
        elif disk["device"] == "disk" and not disk["readonly"] and self.row.waits != "added":
            data = self._data("grow")
            forms["grow"] = GrowForm(data, guest=guest, by=self._by, disk=disk, capacity=self.row.capacity)
        forms["remove"] = RemoveForm(self._data("remove"), guest=guest, by=self._by, disk=disk)
        return forms

    def _data(self, act: str) -> Any:
        return self._sent[1] if self._sent[0] == act else None


DONE = {
    "grow": lambda: _("The disk was made larger."),
    "medium": lambda: _("The medium was changed."),
    "eject": lambda: _("The medium was ejected."),
    "remove": lambda: _("The disk was taken out. What it was stored in is still there."),
}


def _added(request: HttpRequest, guest_id: UUID, kind: type[BusForm], done: str) -> HttpResponse:
    guest, by = guest_for(request.user, guest_id, Action.DEVICES), signed_in(request)
    may_make = may_on(by, Action.STORAGE, guest.host)
    if kind is NewDiskForm and not may_make:
        raise PermissionDenied(_("You may not do this on this host."))
    form = kind(request.POST if request.method == "POST" else None, guest=guest, by=by)
    if asked(request, form, done):
        return redirect("guests:devices", guest.pk)
    context: dict[str, Any] = {"section": "guests", "guest": guest, "form": form}
    if kind is not DriveForm:
        context["form"] = form if kind is DiskForm else DiskForm(guest=guest, by=by)
        if may_make:
            context["new"] = form if kind is NewDiskForm else NewDiskForm(guest=guest, by=by)
    return render(request, "guests/disk_form.html", context, status=422 if form.errors else 200)


def _page(request: HttpRequest, page: DiskPage, *, status: int = 200) -> HttpResponse:
    context = {"section": "guests", "guest": page.guest, "disk": page.row, "acts": page.acts}
    context["sees_storage"] = may_on(request.user, Action.STORAGE, page.guest.host)
    return render(request, "guests/disk.html", context, status=status)
