"""A clone of a guest: its name, whether its disks are copies, whether it starts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.access import Action, may_on
from guests.forms.asking_form import AskingForm
from guests.hypervisor.new_guest import NAME
from guests.inventory.models import Guest
from guests.operations.clone_rules import (
    cloned_disks,
    room_missing,
    why_no_clone,
    why_not_copied,
    why_not_linked,
    why_not_linked_at_all,
)
from guests.operations.stored_disks import StoredDisk, base_of_others

FULL, LINKED = "full", "linked"


class CloneForm(AskingForm):
    """`disks` are those that the clone gets of its own; a way that does not fit says why."""

    kind = "clone_guest"

    name = forms.CharField(max_length=63, label=gettext_lazy("Name"))
    how = forms.ChoiceField(choices=[(FULL, FULL), (LINKED, LINKED)], required=False)
    start = forms.BooleanField(required=False)

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, guest=guest, by=by)
        self.disks: list[StoredDisk] = cloned_disks(guest)
        self.why_not = why_no_clone(guest, guest.host.driver)
        if not may_on(by, Action.CREATE, guest.host):
            self.why_not = _("You may not make new guests on %(host)s.") % {"host": guest.host.name}
        self.ways = {FULL: self._why_not_full(), LINKED: self._why_not_linked()}
        self.fits = not self.why_not and not all(self.ways.values())

    def _why_not_full(self) -> str:
        reasons = [f"{disk.target}: {why}" for disk in self.disks if (why := why_not_copied(disk))]
        return " ".join(reasons) or room_missing(self.disks)

    def _why_not_linked(self) -> str:
        if not self.disks:
            return _("It has no disk that a clone could lie over.")
        if why := why_not_linked_at_all(self.guest):
            return why
        return " ".join(f"{disk.target}: {why}" for disk in self.disks if (why := why_not_linked(disk)))

    @property
    def chosen(self) -> str:
        """The way that is marked."""
        wanted = str(self["how"].value() or FULL)
        return wanted if not self.ways.get(wanted) else next((way for way, why in self.ways.items() if not why), FULL)

    @property
    def nics(self) -> int:
        """How many MACs it gets."""
        return len((self.guest.next_boot or self.guest.definition).get("nics", []))

    @property
    def is_base(self) -> bool:
        """Whether others lie over its disks already."""
        return bool(base_of_others(self.guest))

    def now(self, guest: Guest) -> dict[str, Any]:
        return {"name": free_name(guest)}

    def before(self) -> dict[str, Any]:
        return {"state": self.guest.state, "disks": {disk.target: disk.path for disk in self.disks}}

    def parameters(self) -> dict[str, Any]:
        return {
            "name": self.cleaned_data["name"],
            "linked": self.cleaned_data["how"] == LINKED,
            "start": self.cleaned_data["start"],
        }

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not NAME.fullmatch(name):
            raise forms.ValidationError(
                _("A name has letters, digits, “_”, “.” and “-”, begins with a letter or digit, and ends after 63.")
            )
        if Guest.objects.filter(host=self.guest.host, name=name, gone_at=None).exists():
            names = {"host": self.guest.host.name, "guest": name}
            raise forms.ValidationError(_("%(host)s has a guest %(guest)s already.") % names)
        return name

    def clean_how(self) -> str:
        return self.cleaned_data["how"] or FULL

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.why_not:
            self.add_error(None, self.why_not)
        elif why := self.ways.get(cleaned.get("how", FULL)):
            self.add_error("how", why)
        return cleaned


def free_name(guest: Guest) -> str:
    """The guest's name with a number that no guest of its host has."""
    taken = set(Guest.objects.filter(host=guest.host, gone_at=None).values_list("name", flat=True))
    stem = guest.name[:54] if NAME.fullmatch(guest.name[:54]) else "guest"
    return next(name for number in range(1, len(taken) + 2) if (name := f"{stem}-clone{number}") not in taken)
