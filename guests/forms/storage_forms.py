"""Forms of pools and volumes. Where a pool is comes from what the operator named, never from what was typed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.errors import OperationRefused
from guests.forms.amounts import UnreadableAmount, exact_text, parse_amount
from guests.forms.host_asking_form import HostAskingForm
from guests.inventory.models import Host
from guests.inventory.storage import Pool, Volume
from guests.operations.storage_task import NAME, refuse_name
from guests.operations.volumes import formats_in, is_always_whole

KINDS = (
    ("dir", gettext_lazy("Directory")),
    ("netfs", gettext_lazy("NFS: a directory of a server")),
    ("logical", gettext_lazy("LVM: a volume group that exists")),
)


class SizeField(forms.CharField):
    """A size as people type it, such as 20 GiB or 1.5T; cleaned, it is bytes. Without a unit: GiB."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return parse_amount(text, "GiB") * 1024
        except UnreadableAmount as error:
            raise forms.ValidationError(_("Type a size with a unit, for example 20 GiB.")) from error


class NameField(forms.CharField):
    """A name that something new may have."""

    def __init__(self, **more: Any) -> None:
        super().__init__(max_length=63, label=gettext_lazy("Name"), **more)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            return refuse_name(text)
        except OperationRefused as error:
            raise forms.ValidationError(str(error)) from error


class PoolForm(HostAskingForm):
    """A new pool; libvirt refuses what the host cannot have."""

    kind = "make_pool"

    name = NameField(help_text=gettext_lazy("Of a directory or NFS pool also the name of its directory."))
    what = forms.ChoiceField(choices=KINDS, label=gettext_lazy("Kind"))
    root = forms.ChoiceField(
        label=gettext_lazy("Directory on the host"),
        required=False,
        help_text=gettext_lazy("The pool gets a directory of its own in it. GUESTHOUSE_STORAGE_ROOTS names them."),
    )
    server = forms.CharField(label=gettext_lazy("NFS: server"), required=False, max_length=254)
    export = forms.CharField(
        label=gettext_lazy("NFS: directory on the server"), required=False, max_length=1000, help_text="/export/images"
    )
    group = forms.CharField(label=gettext_lazy("LVM: volume group"), required=False, max_length=127)
    autostart = forms.BooleanField(label=gettext_lazy("Start it with the host"), required=False, initial=True)

    def __init__(self, data: Any = None, *, host: Host, by: AbstractBaseUser) -> None:
        super().__init__(data, host=host, by=by)
        root = self.fields["root"]
        assert isinstance(root, forms.ChoiceField)
        root.choices = [(path, path) for path in settings.STORAGE_ROOTS]

    def parameters(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        needed = {"dir": ("root",), "netfs": ("root", "server", "export"), "logical": ("group",)}[cleaned["what"]]
        return {
            "name": cleaned["name"],
            "kind": cleaned["what"],
            "autostart": cleaned["autostart"],
            **{name: cleaned[name] for name in needed},
        }


class VolumeForm(HostAskingForm):
    """A new empty volume."""

    kind = "make_volume"

    name = NameField()
    capacity = SizeField(label=gettext_lazy("Size"), max_length=40, initial="20 GiB")
    format = forms.ChoiceField(label=gettext_lazy("Format"))
    whole = forms.BooleanField(
        label=gettext_lazy("Take the whole space now"),
        required=False,
        help_text=gettext_lazy("Otherwise it grows as its guest writes, and the pool can become full meanwhile."),
    )

    def __init__(self, data: Any = None, *, pool: Pool, by: AbstractBaseUser) -> None:
        super().__init__(data, host=pool.host, by=by)
        self.pool = pool
        format = self.fields["format"]
        assert isinstance(format, forms.ChoiceField)
        format.choices = [(name, name) for name in formats_in(pool)]
        if is_always_whole(pool):
            del self.fields["whole"]

    def parameters(self) -> dict[str, Any]:
        return {
            "pool": str(self.pool.uuid),
            "pool_name": self.pool.name,
            "name": self.cleaned_data["name"],
            "format": self.cleaned_data["format"],
            "capacity_bytes": self.cleaned_data["capacity"],
            "whole": self.cleaned_data.get("whole", True),
        }


class OfVolume(HostAskingForm):
    """One that is about a volume that is there."""

    def __init__(self, data: Any = None, *, volume: Volume, by: AbstractBaseUser, initial: Any = None) -> None:
        super().__init__(data, host=volume.pool.host, by=by, initial=initial)
        self.volume = volume

    def parameters(self) -> dict[str, Any]:
        pool = self.volume.pool
        return {"pool": str(pool.uuid), "pool_name": pool.name, "volume": self.volume.name}


class GrowForm(OfVolume):
    """A volume made larger."""

    kind = "grow_volume"

    capacity = SizeField(label=gettext_lazy("New size"), max_length=40)

    def __init__(self, data: Any = None, *, volume: Volume, by: AbstractBaseUser) -> None:
        super().__init__(data, volume=volume, by=by, initial={"capacity": exact_text(volume.capacity_bytes // 1024)})

    def before(self) -> dict[str, Any]:
        return {"capacity_bytes": self.volume.capacity_bytes}

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "capacity_bytes": self.cleaned_data["capacity"]}


class CopyForm(OfVolume):
    """A volume copied, into the same pool or another of its host."""

    kind = "clone_volume"

    name = NameField()
    to_pool = forms.ChoiceField(label=gettext_lazy("Pool"))

    def __init__(self, data: Any = None, *, volume: Volume, by: AbstractBaseUser) -> None:
        name = f"copy-of-{volume.name}"
        super().__init__(
            data,
            volume=volume,
            by=by,
            initial={"name": name if NAME.fullmatch(name) else "", "to_pool": str(volume.pool.uuid)},
        )
        pools = Pool.objects.filter(host=volume.pool.host_id, active=True)
        field = self.fields["to_pool"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(str(pool.uuid), pool.name) for pool in pools if volume.format in formats_in(pool)]

    def parameters(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        return {**super().parameters(), "to_pool": cleaned["to_pool"], "name": cleaned["name"]}


class DeleteForm(OfVolume):
    """A volume deleted; its name is typed, since there is no way back."""

    kind = "delete_volume"

    confirm = forms.CharField(label=gettext_lazy("Type its name to delete it for good"), max_length=4000)

    def clean_confirm(self) -> str:
        typed: str = self.cleaned_data["confirm"]
        if typed != self.volume.name.strip():
            raise forms.ValidationError(_("This is not its name."))
        return typed
