"""What is plugged into a guest, and the room for more: by the inventory, in words."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from guests.forms.memory_room_forms import hotplug_later
from guests.forms.plugged_memory_forms import MODEL_WORDS, hotplug_now
from guests.inventory.models import Guest
from guests.resources import Hotplug, MemoryDevice
from guests.units import memory_text

DRIVERS = {"QEMU", "Test"}


@dataclass(frozen=True, slots=True)
class PluggedRow:
    """One device; KiB. `waits` as of disks: "added" or "removed" at the next boot."""

    device: MemoryDevice
    kind: str
    is_there: bool  # now
    is_there_later: bool
    waits: str

    @property
    def is_under_way(self) -> bool:
        """Whether the guest has not taken, or given back, what was asked."""
        return self.is_there and self.device.in_parts and self.device.held_kib != self.device.requested_kib


@dataclass(frozen=True, slots=True)
class PluggedCard:
    """The room, in words, and the devices."""

    rows: list[PluggedRow]
    room: str
    later: str  # what the next boot changes of it
    is_possible: bool  # the host's driver can
    has_room: bool  # now or later


def plugged_card(guest: Guest) -> PluggedCard:
    """By what the host told last."""
    now, later = hotplug_now(guest), hotplug_later(guest) if guest.persistent else None
    is_possible = guest.host.driver in DRIVERS
    return PluggedCard(
        rows=_rows(now, later),
        room=_room(now, later) if is_possible else _("The driver of this host cannot plug in memory."),
        later=_later(now, later) if is_possible else "",
        is_possible=is_possible,
        has_room=any(hotplug and hotplug.ceiling_kib for hotplug in (now, later)),
    )


def _rows(now: Hotplug | None, later: Hotplug | None) -> list[PluggedRow]:
    """Those that run, then those that come with the next boot."""
    runs = {device.name: device for device in now.devices} if now else {}
    comes = {device.name: device for device in later.devices} if later else {}
    rows = []
    for name, device in {**comes, **runs}.items():
        waits = ""
        if now is not None and later is not None and (name in runs) != (name in comes):
            waits = "removed" if name in runs else "added"
        words = str(MODEL_WORDS.get(device.model, device.model))
        rows.append(PluggedRow(device, words, name in runs, name in comes, waits))
    return sorted(rows, key=lambda row: not row.is_there)


def _room(now: Hotplug | None, later: Hotplug | None) -> str:
    shown = now or later
    if shown is None or not shown.ceiling_kib:
        return _(
            "There is no room for memory beyond the maximum. Once there is, which takes a boot, more can be plugged in "
            "while the guest runs."
        )
    words = _("There is room for %(ceiling)s of memory; %(free)d of %(slots)d slots are free.") % {
        "ceiling": memory_text(shown.ceiling_kib),
        "free": shown.free_slots,
        "slots": shown.slots,
    }
    return words if now else f"{words} {_('The guest is off: what is plugged in is there from its next boot on.')}"


def _later(now: Hotplug | None, later: Hotplug | None) -> str:
    if now is None or later is None or (now.ceiling_kib, now.slots) == (later.ceiling_kib, later.slots):
        return ""
    if not later.ceiling_kib:
        return _("From the next boot on there is no room for more.")
    return _("From the next boot on there is room for %(ceiling)s, in %(slots)d slots.") % {
        "ceiling": memory_text(later.ceiling_kib),
        "slots": later.slots,
    }
