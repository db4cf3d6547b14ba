"""A disk or a CD-ROM drive for a guest: a volume of a pool of its host, how it is plugged in, and when."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.access import Action, may_on
from guests.access.volumes import open_volumes
from guests.forms.device_form import DeviceForm
from guests.forms.times import BOOT
from guests.inventory.definition_json import definition_from_json
from guests.inventory.models import Guest
from guests.inventory.storage import Volume
from guests.operations.disk_buses import HOT_PLUGGED, buses
from guests.operations.given_volumes import READABLE, refused_by_rows
from guests.units import size_text

Choices = list[tuple[str, str] | tuple[str, list[tuple[str, str]]]]


class VolumeForm(DeviceForm):
    """A form that names a volume by its row; a path that somebody sends beside it is read by nobody."""

    writes: bool = False

    volume = forms.ChoiceField(
        label=gettext_lazy("Volume"),
        error_messages={
            "required": gettext_lazy("Choose a volume of a pool of this host."),
            "invalid_choice": gettext_lazy("There is no such volume on this host that you may give this guest."),
        },
    )

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, guest=guest, by=by)
        self.sees_host = may_on(by, Action.DEVICES, guest.host)
        self.volumes = {str(volume.pk): volume for volume in self.offered(open_volumes(by, guest))}
        self.choice("volume").choices = [("", _("Choose one")), *grouped(self.volumes)]

    def offered(self, volumes: list[Volume]) -> list[Volume]:
        """Those that fit."""
        return [volume for volume in volumes if volume.format in READABLE]

    def refuse_used(self, volume: Volume, *, writes: bool, shareable: bool) -> None:
        """The worker asks this again, of libvirt."""
        found = refused_by_rows(self.guest, volume, writes=writes, shareable=shareable)
        if found is not None:
            names = f" ({', '.join(found.guests)})" if self.sees_host and found.guests else ""
            self.add_error("volume", found.sentence + names)

    def parameters(self) -> dict[str, Any]:
        volume = self.volumes.get(self.cleaned_data["volume"])
        named = {"pool": str(volume.pool.uuid), "pool_name": volume.pool.name, "volume": volume.name} if volume else {}
        return {**super().parameters(), **named}


class BusForm(DeviceForm):
    """How a new disk is plugged in: its bus, and how it is cached."""

    device = "disk"

    bus = forms.ChoiceField(label=gettext_lazy("Bus"))
    cache = forms.ChoiceField(
        label=gettext_lazy("Cache"),
        required=False,
        help_text=gettext_lazy("What fits: none on block devices and shared storage, else as the hypervisor does it."),
    )

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        definition = definition_from_json(guest.definition)
        self.buses = buses(definition, self.device)
        self.has_drives = bool(buses(definition, "cdrom"))
        super().__init__(data, guest=guest, by=by)
        self.choice("bus").choices = [(bus, BUS_NAMES.get(bus, bus)) for bus in self.buses]
        self.fields["bus"].help_text = _("While a guest runs it takes disks on virtio, SCSI and Xen's bus only.")
        if "cache" in self.fields:
            words = {
                "": _("What fits"),
                "none": _("none: the guest's writes go to the storage"),
                "writeback": _("writeback: by the host's memory, fast"),
                "writethrough": _("writethrough: read from the host's memory, written to the storage"),
            }
            self.choice("cache").choices = list(words.items())
        if self.buses and self.buses[0] not in HOT_PLUGGED and guest.persistent:
            self.initial["when"] = BOOT

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and self.is_live and cleaned["bus"] not in HOT_PLUGGED:
            self.add_error("bus", _("Nothing is plugged into this bus while a guest runs: choose the next boot."))
        return cleaned

    def parameters(self) -> dict[str, Any]:
        names = ("bus", "cache", "readonly", "shareable")
        chosen = {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}
        return {**super().parameters(), "device": self.device, **chosen}


class DiskForm(VolumeForm, BusForm):
    """A hard disk, on a volume that is there."""

    kind = "add_disk"

    readonly = forms.BooleanField(label=gettext_lazy("Read-only"), required=False)
    shareable = forms.BooleanField(
        label=gettext_lazy("Shareable: other guests may have it, too"),
        required=False,
        help_text=gettext_lazy(
            "For file systems of clusters only; any other is destroyed when two guests write to it."
        ),
    )

    field_order = ("key", "volume", "bus", "cache", "readonly", "shareable", "when")

    def offered(self, volumes: list[Volume]) -> list[Volume]:
        """Media go into drives, where the guest can have some."""
        return [volume for volume in super().offered(volumes) if not (volume.is_media and self.has_drives)]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        volume = None if self.errors else self.volumes.get(cleaned["volume"])
        if volume is not None:
            writes = self.device == "disk" and not cleaned.get("readonly")
            self.refuse_used(volume, writes=writes, shareable=bool(cleaned.get("shareable")))
        return cleaned


class DriveForm(DiskForm):
    """A CD-ROM drive, empty or with a medium."""

    device = "cdrom"

    cache = readonly = shareable = None  # type: ignore[assignment]  # Django's way to leave a field out

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, guest=guest, by=by)
        self.fields["volume"].required = False
        self.fields["volume"].label = _("Medium")
        self.choice("volume").choices = [("", _("none: the drive is empty")), *grouped(self.volumes)]

    def offered(self, volumes: list[Volume]) -> list[Volume]:
        return [volume for volume in VolumeForm.offered(self, volumes) if volume.is_media]


BUS_NAMES = {"virtio": "virtio", "scsi": "SCSI", "sata": "SATA", "ide": "IDE", "usb": "USB", "xen": "Xen"}


def grouped(volumes: dict[str, Volume]) -> Choices:
    """Volumes by their pools, for a `<select>`."""
    pools: dict[str, list[tuple[str, str]]] = {}
    for key, volume in volumes.items():
        words = f"{volume.name} · {volume.format} · {size_text(volume.capacity_bytes)}"
        pools.setdefault(volume.pool.name, []).append((key, words))
    return list(pools.items())
