"""What can be done with a disk that a guest has: grow it, take it out, change or eject its medium."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.forms.amounts import UnreadableAmount, parse_amount
from guests.forms.device_form import DeviceForm
from guests.forms.disk_form import VolumeForm
from guests.forms.times import BOOT, times_of
from guests.inventory.models import Guest
from guests.inventory.storage import Volume
from guests.operations.disk_buses import HOT_PLUGGED
from guests.units import size_text

LOCKED_SECONDS = 8.0  # libvirt gives a guest 5 s to unlock its tray


class OfDisk(forms.Form):
    """The disk that the form is about: one of `Guest.definition["disks"]`."""

    disk: dict[str, Any]

    def about_disk(self) -> dict[str, Any]:
        """The worker must still find it so."""
        return {"source": self.disk["source"]}


class GrowForm(OfDisk, DeviceForm):
    """How large it should become."""

    kind = "grow_disk"

    when = None  # type: ignore[assignment]  # the volume itself grows: it has no two sizes
    size = forms.CharField(label=gettext_lazy("New size"), max_length=30)

    def __init__(
        self, data: Any = None, *, guest: Guest, by: AbstractBaseUser, disk: dict[str, Any], capacity: int | None
    ) -> None:
        self.disk, self.capacity = disk, capacity
        super().__init__(data, guest=guest, by=by)
        if capacity:
            self.fields["size"].help_text = _("Now %(size)s; for example 20 GiB.") % {"size": size_text(capacity)}

    def clean_size(self) -> int:
        try:
            size = 1024 * parse_amount(self.cleaned_data["size"], "GiB")
        except UnreadableAmount as error:
            raise forms.ValidationError(_("Type a size with its unit, such as 20 GiB.")) from error
        if self.capacity and size <= self.capacity:
            text = _("It has %(size)s: a disk can only become larger.")
            raise forms.ValidationError(text % {"size": size_text(self.capacity)})
        return size

    def parameters(self) -> dict[str, Any]:
        return {"target": self.disk["target"], "bytes": self.cleaned_data["size"]}

    def before(self) -> dict[str, Any]:
        return {**self.about_disk(), "bytes": self.capacity}


class RemoveForm(OfDisk, DeviceForm):
    """When it goes."""

    kind = "remove_disk"

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser, disk: dict[str, Any]) -> None:
        self.disk = disk
        super().__init__(data, guest=guest, by=by)
        if guest.is_active and guest.persistent and disk["bus"] not in HOT_PLUGGED:
            self.choice("when").choices = [time for time in times_of(guest) if time[0] == BOOT]

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "target": self.disk["target"]}

    def before(self) -> dict[str, Any]:
        return self.about_disk()


class TrayForm(OfDisk, DeviceForm):
    """A form of a drive: where the guest holds the tray locked it is refused, and then offers force."""

    wait_seconds: ClassVar[float] = LOCKED_SECONDS

    force = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser, disk: dict[str, Any]) -> None:
        self.disk = disk
        super().__init__(data, guest=guest, by=by)

    @property
    def is_locked(self) -> bool:
        """Whether the guest just refused."""
        return "force" in self.errors

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "target": self.disk["target"], "force": self.cleaned_data["force"]}

    def before(self) -> dict[str, Any]:
        return self.about_disk()


class EjectForm(TrayForm):
    """Take the medium out."""

    kind = "eject"


class MediumForm(TrayForm, VolumeForm):
    """Put a medium in, in place of the one that is there."""

    kind = "change_medium"
    field_order = ("key", "force", "volume", "when")

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser, disk: dict[str, Any]) -> None:
        super().__init__(data, guest=guest, by=by, disk=disk)
        self.fields["volume"].label = _("Medium")

    def offered(self, volumes: list[Volume]) -> list[Volume]:
        return [volume for volume in super().offered(volumes) if volume.is_media]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        volume = self.volumes.get(cleaned.get("volume", ""))
        if volume is not None and not self.errors:
            self.refuse_used(volume, writes=False, shareable=False)
        return cleaned
