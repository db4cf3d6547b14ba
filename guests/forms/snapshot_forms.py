"""Taking a snapshot, going back to one, deleting one: each form asks one operation."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.forms.asking_form import AskingForm
from guests.inventory.definition_json import definition_from_json
from guests.inventory.models import Guest
from guests.operations.snapshot_rules import (
    AS_IT_WAS,
    MOST_DESCRIPTION,
    NAME,
    PAUSED,
    RUNNING,
    THEN,
    no_room_for_memory,
    why_no_snapshot,
    with_those_after,
)
from guests.operations.stored_disks import why_not_written
from guests.resources import GuestState


def why_none(guest: Guest) -> str:
    """Why no snapshot of this guest can be taken, by its row."""
    why = why_no_snapshot(guest, definition_from_json(guest.definition), guest.host.driver)
    return why or no_room_for_memory(guest) or why_not_written(guest)


class TakeSnapshotForm(AskingForm):
    """A name that is free, and what it is for. With memory where the guest is active."""

    kind = "take_snapshot"

    name = forms.CharField(max_length=63, label=gettext_lazy("Name"))
    description = forms.CharField(
        max_length=MOST_DESCRIPTION,
        required=False,
        label=gettext_lazy("Description"),
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def now(self, guest: Guest) -> dict[str, Any]:
        return {"name": free_name(guest)}

    def before(self) -> dict[str, Any]:
        return {"state": self.guest.state}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not NAME.fullmatch(name):
            raise forms.ValidationError(
                _("Letters, digits, dots, hyphens and underscores, at most 63, and not digits alone.")
            )
        if any(one["name"] == name for one in self.guest.snapshots):
            raise forms.ValidationError(_("There is a snapshot of this name already."))
        return name

    def clean_description(self) -> str:
        return str(self.cleaned_data["description"]).replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        if why := why_none(self.guest):
            raise forms.ValidationError(why)
        return super().clean() or {}


class RevertForm(AskingForm):
    """What the guest does then, and whether what it is now is kept as a snapshot first."""

    kind = "revert_to_snapshot"

    first = forms.BooleanField(required=False, initial=True)
    then = forms.ChoiceField(required=False, widget=forms.RadioSelect)

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser, snapshot: dict[str, Any]) -> None:
        self.snapshot = snapshot
        super().__init__(data, guest=guest, by=by)
        self.why_not_first = why_none(guest)
        then = self.fields["then"]
        assert isinstance(then, forms.ChoiceField)
        then.choices = self.ends
        then.initial = AS_IT_WAS

    @property
    def ends(self) -> list[tuple[str, str]]:
        """What it can do then."""
        if not self.snapshot["memory"]:
            return [(AS_IT_WAS, _("is shut off")), (RUNNING, _("boots"))]
        if self.snapshot["state"] == GuestState.PAUSED:
            return [(AS_IT_WAS, _("is paused, as it was then")), (RUNNING, _("goes on from where it was then"))]
        return [(AS_IT_WAS, _("goes on from where it was then")), (PAUSED, _("is paused"))]

    def now(self, guest: Guest) -> dict[str, Any]:
        return {"then": AS_IT_WAS, "first": True}

    def before(self) -> dict[str, Any]:
        return {"state": self.guest.state, "made_at": self.snapshot["made_at"], "current": current_of(self.guest)}

    def parameters(self) -> dict[str, Any]:
        wanted = self.cleaned_data.get("then") or AS_IT_WAS
        first = free_name(self.guest) if self.cleaned_data.get("first") else ""
        return {"name": self.snapshot["name"], "then": wanted if wanted in THEN else AS_IT_WAS, "first": first}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("first") and self.why_not_first:
            self.add_error("first", self.why_not_first)
        return cleaned


class DeleteSnapshotForm(AskingForm):
    """One, or with those that were taken from it."""

    kind = "delete_snapshot"

    children = forms.BooleanField(required=False)

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser, snapshot: dict[str, Any]) -> None:
        self.snapshot = snapshot
        super().__init__(data, guest=guest, by=by)
        self.after = with_those_after(guest.snapshots, snapshot["name"])[1:]

    def before(self) -> dict[str, Any]:
        return {"made_at": self.snapshot["made_at"], "names": [self.snapshot["name"], *self.after]}

    def parameters(self) -> dict[str, Any]:
        return {"name": self.snapshot["name"], "children": bool(self.cleaned_data.get("children"))}


def current_of(guest: Guest) -> str:
    """The name of the current snapshot, "" where there is none."""
    return next((str(one["name"]) for one in guest.snapshots if one["current"]), "")


def free_name(guest: Guest) -> str:
    """The moment as a name that no snapshot of the guest has."""
    taken = {one["name"] for one in guest.snapshots}
    name = wanted = timezone.localtime().strftime("%Y-%m-%d_%H.%M")
    number = 1
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name
