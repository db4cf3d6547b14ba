"""A new empty volume in a pool of the host, and a disk of the guest on it, in one go."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.errors import OperationRefused
from guests.forms.amounts import UnreadableAmount, parse_amount
from guests.forms.disk_form import BusForm
from guests.inventory.models import Guest
from guests.inventory.storage import Pool, PoolProblem
from guests.operations import ask_host, new_key, wait_for_end
from guests.operations.models import Operation, OperationState
from guests.operations.storage_task import refuse_name
from guests.operations.volumes import FILES, formats_in
from guests.units import size_text


class NewDiskForm(BusForm):
    """Whoever is shown it may make volumes on the host; `ask_host` asks that again."""

    kind = "add_disk"

    pool = forms.ChoiceField(label=gettext_lazy("Pool"))
    name = forms.CharField(label=gettext_lazy("Name of the volume"), required=False, max_length=63)
    size = forms.CharField(label=gettext_lazy("Size"), max_length=30)

    field_order = ("key", "pool", "size", "name", "bus", "cache", "when")

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, guest=guest, by=by)
        self.auto_id = "new_disk-%s"  # it stands beside another form of its kind
        found = Pool.objects.filter(host=guest.host, active=True, problem=PoolProblem.NONE)
        self.pools = {str(pool.pk): pool for pool in found if _is_attachable(pool)}
        self.choice("pool").choices = [
            (key, _("%(pool)s, %(size)s free") % {"pool": pool.name, "size": size_text(pool.available_bytes)})
            for key, pool in self.pools.items()
        ]
        self.fields["size"].help_text = _("With its unit, such as 20 GiB. It takes space as the guest writes.")
        self.fields["name"].help_text = _("Empty: named after the guest.")

    def clean_size(self) -> int:
        try:
            return 1024 * parse_amount(self.cleaned_data["size"], "GiB")
        except UnreadableAmount as error:
            raise forms.ValidationError(_("Type a size with its unit, such as 20 GiB.")) from error

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            return refuse_name(name) if name else ""
        except OperationRefused as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            self.pool_row = self.pools[cleaned["pool"]]
            self.format = formats_in(self.pool_row)[0]
            self.volume_name = cleaned["name"] or self._free_name()
        return cleaned

    def _free_name(self) -> str:
        """After the guest, with the first number that the pool has no volume of: web-1-disk2.qcow2."""
        stem = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in self.guest.name)[:40]
        taken = set(self.pool_row.volumes.values_list("name", flat=True))
        ending = f".{self.format}" if self.pool_row.kind in FILES else ""
        numbers = range(1, len(taken) + 2)
        return next(
            name for number in numbers if (name := f"{stem.strip('-') or 'disk'}-disk{number}{ending}") not in taken
        )

    def parameters(self) -> dict[str, Any]:
        named = {"pool": str(self.pool_row.uuid), "pool_name": self.pool_row.name, "volume": self.volume_name}
        return {**super().parameters(), **named}

    def submit(self, *, address: str = "") -> Operation | None:
        """First the volume; where the disk is refused after that, the volume stays, and the answer says so."""
        key = self.cleaned_data["key"] or new_key()
        try:
            made = ask_host(
                "make_volume",
                self.guest.host,
                by=self.by,
                key=f"{key[:60]}-vol",
                parameters={
                    "pool": str(self.pool_row.uuid),
                    "pool_name": self.pool_row.name,
                    "name": self.volume_name,
                    "capacity_bytes": self.cleaned_data["size"],
                    "format": self.format,
                    "whole": False,
                },
                address=address,
            )
        except PermissionDenied as refusal:
            self.add_error(None, str(refusal))
            return None
        wait_for_end(made, self.wait_seconds)
        if made.state != OperationState.DONE:
            fields = {"capacity": "size"}
            field = fields.get(made.field, made.field)
            words = made.message or _("The volume is still being made: add it as a disk once it is there.")
            self.add_error(field if field in self.fields else None, words)
            return None
        operation = super().submit(address=address)
        if operation is None:
            self.add_error(None, _("The new volume %(name)s stays in its pool.") % {"name": self.volume_name})
        return operation


def _is_attachable(pool: Pool) -> bool:
    """Whether what is made in it becomes a file or a block device that a guest can have."""
    return bool(formats_in(pool)) and pool.kind not in {"rbd", "gluster"}
