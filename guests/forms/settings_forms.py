"""The settings of a guest: each a form of its own, so that one change is one operation."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.forms.asking_form import AskingForm
from guests.inventory.models import Guest
from guests.operations.guest_settings import MOST_DESCRIPTION, MOST_NAME, MOST_TITLE


class RenameForm(AskingForm):
    """The name by which libvirt and people know it."""

    kind = "rename"
    heading = gettext_lazy("Name")
    button = gettext_lazy("Rename")
    effect = gettext_lazy("It is renamed at once; only while it is shut off. Its page, roles and history stay.")

    name = forms.CharField(max_length=MOST_NAME, label=gettext_lazy("Name"))

    def now(self, guest: Guest) -> dict[str, Any]:
        return {"name": guest.name}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if "/" in name or any(ord(character) < 32 for character in name):
            raise forms.ValidationError(_("A name cannot have slashes or line breaks."))
        if name == self.guest.name:
            raise forms.ValidationError(_("This is its name already."))
        return name


class DescribeForm(AskingForm):
    """What people should know of it."""

    kind = "describe"
    heading = gettext_lazy("Title and description")
    button = gettext_lazy("Save the description")
    effect = gettext_lazy("It holds at once and at the next boot; the guest does not notice.")

    title = forms.CharField(max_length=MOST_TITLE, required=False, label=gettext_lazy("Title"))
    description = forms.CharField(
        max_length=MOST_DESCRIPTION,
        required=False,
        label=gettext_lazy("Description"),
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def now(self, guest: Guest) -> dict[str, Any]:
        return {name: guest.definition.get(name, "") for name in ("title", "description")}

    def clean_description(self) -> str:
        # Browsers send CR LF; libvirt keeps what it gets.
        return str(self.cleaned_data["description"]).replace("\r\n", "\n")


class AutostartForm(AskingForm):
    """Whether libvirt starts it with the host."""

    kind = "set_autostart"
    heading = gettext_lazy("Start with the host")
    button = gettext_lazy("Save")
    effect = gettext_lazy(
        "It counts when its host starts the next time; nothing happens now. The host’s page has an order with pauses: "
        "a guest that has a place there loses it when this is saved."
    )

    autostart = forms.BooleanField(required=False, label=gettext_lazy("Start it when its host starts"))

    def now(self, guest: Guest) -> dict[str, Any]:
        return {"autostart": guest.autostart}


class BootOrderForm(AskingForm):
    """A place for each disk and NIC; those without one are not booted from."""

    kind = "set_boot_order"
    heading = gettext_lazy("Boot order")
    button = gettext_lazy("Save the order")
    effect = gettext_lazy("It holds from the next boot. A device without a number is not booted from.")

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, guest=guest, by=by)
        later = guest.next_boot or guest.definition
        self.order: list[str] = list(later.get("boot_order", []))
        disks = [(f"disk:{disk['target']}", disk["target"], disk["device"]) for disk in later.get("disks", [])]
        nics = [(f"nic:{nic['mac'].lower()}", nic["mac"], "NIC") for nic in later.get("nics", []) if nic["mac"]]
        self.devices = {f"device-{number}": device[0] for number, device in enumerate([*disks, *nics])}
        for field, (key, name, kind) in zip(self.devices, [*disks, *nics], strict=True):
            self.fields[field] = forms.IntegerField(
                required=False,
                min_value=1,
                max_value=99,
                label=f"{name} ({kind})",
                initial=self.order.index(key) + 1 if key in self.order else None,
            )

    def before(self) -> dict[str, Any]:
        return {"order": self.order}

    def parameters(self) -> dict[str, Any]:
        places = {key: self.cleaned_data[field] for field, key in self.devices.items() if self.cleaned_data[field]}
        return {"order": sorted(places, key=lambda key: places[key])}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        places = [cleaned[field] for field in self.devices if cleaned.get(field)]
        if not self.errors and not places:
            raise forms.ValidationError(_("Give at least one device a number."))
        if len(set(places)) != len(places):
            raise forms.ValidationError(_("Two devices have the same number."))
        return cleaned


FORMS: dict[str, type[AskingForm]] = {
    "name": RenameForm,
    "description": DescribeForm,
    "autostart": AutostartForm,
    "boot": BootOrderForm,
}
