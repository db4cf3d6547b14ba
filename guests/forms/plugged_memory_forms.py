"""Memory beyond the maximum: plug it in, change how much virtio-mem gives, take it out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.forms.amount_field import AmountField
from guests.forms.amounts import exact_text
from guests.forms.asking_form import AskingForm
from guests.forms.memory_room_forms import hotplug_later
from guests.forms.times import BOOT, NOW, NOW_AND_BOOT, when_parameters
from guests.inventory.definition_json import hotplug_from_json
from guests.inventory.models import Guest
from guests.operations.memory_rules import (
    PIECE_KIB,
    beyond_role,
    new_name,
    why_it_does_not_fit,
    why_not_requested,
    why_not_this_virtio_mem,
)
from guests.resources import Hotplug, MemoryDevice
from guests.units import memory_text

MODELS = [("dimm", gettext_lazy("DIMM")), ("virtio-mem", gettext_lazy("virtio-mem"))]
MODEL_WORDS = dict(MODELS)


def hotplug_now(guest: Guest) -> Hotplug | None:
    """What runs; None while the guest is shut off."""
    return hotplug_from_json(guest.definition.get("hotplug", {})) if guest.is_active else None


class _MemoryForm(AskingForm):
    """With the choice of when it holds, among what is possible, and a box where the host has too little free."""

    when = forms.ChoiceField(label=gettext_lazy("When"))
    force = forms.BooleanField(label=gettext_lazy("Do it all the same"), required=False)

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, guest=guest, by=by)
        field = self.fields["when"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = self.times()
        self._force = self.fields["force"]
        if data is None or "force" not in data:
            del self.fields["force"]

    def can_be(self) -> tuple[bool, bool]:
        """Now; at the next boot."""
        raise NotImplementedError

    @property
    def is_possible(self) -> bool:
        return any(self.can_be())

    def times(self) -> list[tuple[str, str]]:
        now, later = self.can_be()
        words = {
            NOW_AND_BOOT: _("Now and at the next boot"),
            BOOT: _("From the next boot on"),
            NOW: _("Now; the next boot is as before"),
        }
        possible = {NOW_AND_BOOT: now and later, BOOT: later, NOW: now}
        return [(when, words[when]) for when, is_possible in possible.items() if is_possible]

    def targets(self) -> dict[str, bool]:
        """`live` and `next_boot` of the operation."""
        return when_parameters(self.cleaned_data["when"])

    def sizes(self) -> list[tuple[Hotplug, int]]:
        """What is plugged in, and the maximum memory, of each definition that is to change."""
        now, asked = hotplug_now(self.guest), self.targets()
        found = [(now, self.guest.maximum_kib)] if asked["live"] and now is not None else []
        if asked["next_boot"]:
            found.append((hotplug_later(self.guest), self.guest.next_boot_maximum_kib or self.guest.maximum_kib))
        return found

    def check_free(self, field: str, more_kib: int) -> None:
        """More than the host has free makes its guests slow: only where it was ticked."""
        free = self.guest.host.free_memory_kib
        if not self.targets()["live"] or free is None or more_kib <= free:
            return
        self.fields["force"] = self._force
        if not self.cleaned_data.get("force"):
            text = _(
                "%(host)s has %(free)s free, less than this adds: its guests may get slow. "
                "Ask for less, or tick the box below."
            )
            self.add_error(field, text % {"host": self.guest.host.name, "free": memory_text(free)})

    def check_role(self, field: str) -> None:
        """What the person's role may not give stands at the field."""
        if refusal := beyond_role(self.by, self.guest, self.parameters()):
            self.add_error(field, refusal)


class PlugForm(_MemoryForm):
    """A DIMM, or a virtio-mem device."""

    kind, what = "plug_memory", "plug"
    heading = gettext_lazy("Plug in memory")
    button = gettext_lazy("Plug in")
    done = gettext_lazy("Memory was plugged in.")
    effect = gettext_lazy(
        "A DIMM is given whole, and taken out whole, if the guest can let go of it. virtio-mem can be given and taken "
        "back in parts; the guest needs its driver, and keeps the device until it is shut off where the host’s QEMU "
        "cannot take it out (7.2 cannot)."
    )

    model = forms.ChoiceField(label=gettext_lazy("Kind"), choices=MODELS)
    size = AmountField(label=gettext_lazy("Size"))
    requested = AmountField(label=gettext_lazy("Of it at once"), required=False, zero=True)

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, guest=guest, by=by)
        self.fields["size"].help_text = _("A multiple of %(piece)s.") % {"piece": memory_text(PIECE_KIB)}
        self.fields["requested"].help_text = _("virtio-mem only. Empty: all of it.")
        self.order_fields(["model", "size", "requested", "when", "force"])

    def can_be(self) -> tuple[bool, bool]:
        now, later = hotplug_now(self.guest), hotplug_later(self.guest)
        return bool(now and now.ceiling_kib), bool(self.guest.persistent and later.ceiling_kib)

    def before(self) -> dict[str, Any]:
        return {}

    def parameters(self) -> dict[str, Any]:
        model, kib = self.cleaned_data["model"], self.cleaned_data["size"]
        asked = {"model": model, "kib": kib, "name": self.name, **self.targets()}
        if model == "virtio-mem":
            requested = self.cleaned_data["requested"]
            asked["requested_kib"] = kib if requested is None else requested
        return asked

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        self.name = new_name()
        kib, total = cleaned["size"], self.guest.host.memory_kib
        for hotplug, maximum in self.sizes():
            refusal = why_it_does_not_fit(hotplug, maximum, kib)
            if total and maximum + kib > total:
                refusal = _("%(host)s has %(total)s in all.") % {
                    "host": self.guest.host.name,
                    "total": memory_text(total),
                }
            if refusal and "size" not in self.errors:
                self.add_error("size", refusal)
        if cleaned["model"] == "dimm" and cleaned["requested"] is not None:
            self.add_error("requested", _("A DIMM is given whole: leave this empty."))
        if self.errors:
            return cleaned
        asked = self.parameters()
        if refusal := why_not_this_virtio_mem(kib, asked.get("requested_kib", 0)):
            self.add_error("requested", refusal)
            return cleaned
        self.check_role("size")
        self.check_free("size", asked.get("requested_kib", kib))
        return cleaned


class _DeviceForm(_MemoryForm):
    """Of one device; `device` is its name."""

    name = forms.CharField(max_length=80, widget=forms.HiddenInput)

    def __init__(
        self, data: Any = None, *, guest: Guest, by: AbstractBaseUser, device: MemoryDevice, rows: tuple[bool, bool]
    ) -> None:
        """`rows`: whether it is there now, and at the next boot."""
        self.device, self._rows = device, rows
        super().__init__(data, guest=guest, by=by)
        self.auto_id = f"{self.kind}-{device.name}-%s"

    def can_be(self) -> tuple[bool, bool]:
        return self._rows

    def now(self, guest: Guest) -> dict[str, Any]:
        return {"name": self.device.name}

    def before(self) -> dict[str, Any]:
        return {"size_kib": self.device.size_kib, "requested_kib": self.device.requested_kib}


class RequestForm(_DeviceForm):
    """How much of a virtio-mem device the guest should take."""

    kind, what = "request_memory", "request"
    button = gettext_lazy("Ask the guest")
    done = gettext_lazy("The guest has what was asked for.")
    effect = gettext_lazy("It is done when the guest says that it took so much, or gave it back.")

    requested = AmountField(label=gettext_lazy("The guest should have"), zero=True)

    def __init__(self, data: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.fields["requested"].help_text = _("From 0 MiB to %(size)s, a multiple of %(block)s.") % {
            "size": memory_text(self.device.size_kib),
            "block": memory_text(self.device.block_kib),
        }
        self.order_fields(["requested", "when", "force", "name"])

    def now(self, guest: Guest) -> dict[str, Any]:
        kib = self.device.requested_kib
        return {"name": self.device.name, "requested": exact_text(kib) if kib else "0 MiB"}

    def parameters(self) -> dict[str, Any]:
        return {"name": self.device.name, "kib": self.cleaned_data["requested"], **self.targets()}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        if refusal := why_not_requested(self.device, cleaned["requested"]):
            self.add_error("requested", refusal)
            return cleaned
        self.check_role("requested")
        self.check_free("requested", cleaned["requested"] - self.device.held_kib)
        return cleaned


class UnplugForm(_DeviceForm):
    """Take it out."""

    kind, what = "unplug_memory", "unplug"
    button = gettext_lazy("Take it out")
    done = gettext_lazy("The memory was taken out.")

    def can_be(self) -> tuple[bool, bool]:
        """What a guest has of virtio-mem has to be given back first."""
        now, later = super().can_be()
        return now and not (self.device.in_parts and (self.device.requested_kib or self.device.held_kib)), later

    @property
    def effect(self) -> str:
        if self.device.in_parts:
            return _("A running guest has to give back all of it before.")
        return _("While it runs the guest has to let go of it, which it does only if it can move what is in it.")

    def parameters(self) -> dict[str, Any]:
        return {"name": self.device.name, **self.targets()}
