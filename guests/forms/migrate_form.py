"""To which host, and how: only hosts that fit can be chosen, the others say why not."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.forms.asking_form import AskingForm
from guests.inventory.models import Guest
from guests.operations.destinations import Destination, destinations, why_it_stays
from guests.resources import GuestState
from guests.units import memory_text


class MigrateForm(AskingForm):
    """`destinations` are the rows of its list: those that are `found`, else looked up."""

    kind = "migrate"

    to = forms.CharField(max_length=63, error_messages={"required": gettext_lazy("Choose where it goes.")})
    copy_storage = forms.BooleanField(required=False)
    slow_down = forms.BooleanField(required=False)
    shared = forms.BooleanField(required=False)

    def __init__(
        self, data: Any = None, *, guest: Guest, by: AbstractBaseUser, found: list[Destination] | None = None
    ) -> None:
        super().__init__(data, guest=guest, by=by)
        self.why_it_stays = why_it_stays(guest)
        self.destinations: list[Destination] = []
        if not self.why_it_stays:
            self.destinations = destinations(guest, by) if found is None else found
        self.fits = any(not destination.why_not for destination in self.destinations)
        self.disks = own_disks(guest)

    @property
    def chosen(self) -> str:
        """The host that is marked: what was typed, else the only one that fits."""
        if self.is_bound:
            return str(self.data.get("to", ""))
        fitting = [destination.host.name for destination in self.destinations if not destination.why_not]
        return fitting[0] if len(fitting) == 1 else ""

    @property
    def asks_for_shared(self) -> bool:
        """Whether disks of a guest that is off must be where both hosts see them: only what runs can be copied."""
        return bool(self.disks) and not self.guest.is_active

    @property
    def offers_copy(self) -> bool:
        """Whether there is storage that could go along."""
        return bool(self.disks) and self.guest.is_active

    @property
    def effect(self) -> str:
        """What happens to the guest meanwhile."""
        names = {"guest": self.guest.name, "memory": memory_text(self.guest.current_kib)}
        if not self.guest.is_active:
            return _("Nothing runs: only the definition of %(guest)s goes, and leaves its host.") % names
        if self.guest.state == GuestState.PAUSED:
            return _("%(guest)s stays paused; its %(memory)s of memory go to the other host.") % names
        return _("%(guest)s runs on while its %(memory)s of memory go over, and stops for a moment at the end.") % names

    def before(self) -> dict[str, Any]:
        return {"host": self.guest.host.name, "state": self.guest.state}

    def clean_to(self) -> str:
        name: str = self.cleaned_data["to"]
        found = next((d for d in self.destinations if d.host.name == name), None)
        if found is None:
            raise forms.ValidationError(_("There is no such host."))
        if found.why_not:
            raise forms.ValidationError(found.why_not)
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.why_it_stays:
            self.add_error(None, self.why_it_stays)
        if self.asks_for_shared and not cleaned.get("shared"):
            self.add_error("shared", _("Its disks do not go along: say that the other host has them, too."))
        return cleaned


def own_disks(guest: Guest) -> list[dict[str, Any]]:
    """The disks that it writes to, so that they must be where it goes."""
    return [disk for disk in guest.definition.get("disks", []) if disk.get("source") and not disk.get("readonly")]
