"""Room to plug memory into a guest: made for its next boot, and taken away again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.forms.amount_field import AmountField
from guests.forms.amounts import exact_text
from guests.forms.asking_form import AskingForm
from guests.inventory.definition_json import hotplug_from_json
from guests.inventory.models import Guest
from guests.operations.memory_room import MOST_SLOTS, room_values, why_no_such_room
from guests.resources import Hotplug
from guests.units import memory_text

USUAL_SLOTS = 8


def hotplug_later(guest: Guest) -> Hotplug:
    """What the next boot takes."""
    return hotplug_from_json((guest.next_boot or guest.definition or {}).get("hotplug", {}))


class RoomForm(AskingForm):
    """How far memory can be plugged in, and in how many pieces."""

    kind, what = "make_memory_room", "room"
    is_possible = True
    heading = gettext_lazy("Room for more memory")
    button = gettext_lazy("Make room")
    done = gettext_lazy("There is room for more memory.")

    ceiling = AmountField(label=gettext_lazy("Room up to"))
    slots = forms.IntegerField(label=gettext_lazy("Slots"), min_value=1, max_value=MOST_SLOTS)

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, guest=guest, by=by)
        self.fields["ceiling"].help_text = _("All its memory together; its maximum is %(maximum)s.") % {
            "maximum": memory_text(self.maximum_kib)
        }
        self.fields["slots"].help_text = _("Each DIMM and each virtio-mem device takes one.")

    @property
    def maximum_kib(self) -> int:
        return self.guest.next_boot_maximum_kib or self.guest.maximum_kib

    @property
    def effect(self) -> str:
        words = _("It holds from the next boot, and takes none of the host's memory.")
        if hotplug_later(self.guest).ceiling_kib:
            return words
        more = _(
            "The guest then has a NUMA cell with all its vCPUs, and Linux sets 64 MiB of the guest's memory aside for "
            "devices that cannot reach memory above 4 GiB."
        )
        return f"{words} {more}"

    def now(self, guest: Guest) -> dict[str, Any]:
        room = hotplug_later(guest)
        ceiling = room.ceiling_kib or 2 * (guest.next_boot_maximum_kib or guest.maximum_kib)
        return {"ceiling": exact_text(ceiling), "slots": room.slots or USUAL_SLOTS}

    def before(self) -> dict[str, Any]:
        return dict(room_values(hotplug_later(self.guest)))

    def parameters(self) -> dict[str, Any]:
        return {"ceiling_kib": self.cleaned_data["ceiling"], "slots": self.cleaned_data["slots"]}

    def clean_ceiling(self) -> int:
        ceiling: int = self.cleaned_data["ceiling"]
        host = self.guest.host
        if host.memory_kib and ceiling > host.memory_kib:
            raise forms.ValidationError(
                _("%(host)s has %(total)s in all.") % {"host": host.name, "total": memory_text(host.memory_kib)}
            )
        if refusal := why_no_such_room(hotplug_later(self.guest), self.maximum_kib, ceiling):
            raise forms.ValidationError(refusal)
        return ceiling


class NoRoomForm(AskingForm):
    """The way back."""

    kind, what = "take_memory_room", "no-room"
    is_possible = True
    heading = gettext_lazy("No room for more memory")
    button = gettext_lazy("Take the room away")
    done = gettext_lazy("The room was taken away.")
    effect = gettext_lazy("It holds from the next boot; the NUMA cell goes with it, unless its definition says more.")

    def before(self) -> dict[str, Any]:
        return dict(room_values(hotplug_later(self.guest)))
