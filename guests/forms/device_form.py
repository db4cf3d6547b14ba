"""What the forms of disks and NICs share: the host must answer, and when the change holds."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.forms.asking_form import AskingForm
from guests.forms.resize_form import ANSWERING
from guests.forms.times import BOOT, times_of, when_parameters
from guests.inventory.models import Guest


class DeviceForm(AskingForm):
    """A change of one device; `guest.host` must be loaded."""

    when = forms.ChoiceField(label=gettext_lazy("When"))

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, guest=guest, by=by)
        if "when" in self.fields:
            self.choice("when").choices = times_of(guest)

    def choice(self, name: str) -> forms.ChoiceField:
        """One of the fields that offer a choice."""
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        return field

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.guest.gone_at is not None or self.guest.host.state not in ANSWERING:
            host = {"host": self.guest.host.name}
            self.add_error(None, _("%(host)s does not answer. Nothing was changed.") % host)
        return cleaned

    def parameters(self) -> dict[str, Any]:
        return when_parameters(self.cleaned_data["when"])

    @property
    def is_live(self) -> bool:
        """Whether what runs is to change."""
        return self.cleaned_data.get("when") != BOOT
