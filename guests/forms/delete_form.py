"""Deleting a guest: its name is typed, the disks that go with it are chosen."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.access import Action, may_on
from guests.forms.asking_form import AskingForm
from guests.inventory.models import Guest
from guests.operations.stored_disks import StoredDisk, stored_disks, why_not_forgotten


class DeleteGuestForm(AskingForm):
    """`rows` are those of its list; those with a reason in `why_kept` cannot be chosen."""

    kind = "delete_guest"

    disks = forms.MultipleChoiceField(required=False)
    force_off = forms.BooleanField(required=False)
    name = forms.CharField(
        max_length=255, error_messages={"required": gettext_lazy("Type the name of the guest.")}, strip=False
    )

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, guest=guest, by=by)
        self.may_delete_volumes = may_on(by, Action.STORAGE, guest.host)
        self.rows = stored_disks(guest)
        self.why_not = why_not_forgotten(guest)
        field = self.fields["disks"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(disk.target, disk.target) for disk in self.deletable]

    @property
    def deletable(self) -> list[StoredDisk]:
        """The disks that this person may choose."""
        return [disk for disk in self.rows if not disk.why_kept] if self.may_delete_volumes else []

    @property
    def ticked(self) -> list[str]:
        """What was chosen so far."""
        return list(self["disks"].value() or [])

    def before(self) -> dict[str, Any]:
        return {
            "state": self.guest.state,
            "disks": {disk.target: disk.path for disk in self.rows},
            "snapshots": [one["name"] for one in self.guest.snapshots],
        }

    def parameters(self) -> dict[str, Any]:
        return {"disks": self.cleaned_data["disks"], "force_off": self.cleaned_data["force_off"]}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name != self.guest.name:
            raise forms.ValidationError(_("This is not its name: %(name)s.") % {"name": self.guest.name})
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.why_not:
            self.add_error(None, self.why_not)
        if self.guest.is_active and not cleaned.get("force_off"):
            self.add_error("force_off", _("It runs: shut it off first, or have it forced off."))
        return cleaned
