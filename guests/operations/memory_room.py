"""Room to plug memory into a guest while it runs: made, and taken away again, from its next boot on."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.errors import NotSupported, OperationRefused
from guests.hypervisor import memory_room as writing
from guests.hypervisor.reading import get_guest
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.memory_rules import PIECE_KIB
from guests.operations.resizing import next_boot_definition, refuse_over_host_memory, whole_number
from guests.resources import Hotplug
from guests.units import memory_text

MOST_SLOTS = 255


def _make(task: Task) -> dict[str, Any]:
    later = _next_boot(task)
    ceiling = whole_number(task.parameters, "ceiling_kib", "ceiling")
    slots = whole_number(task.parameters, "slots", "slots")
    refuse_over_host_memory(task, ceiling, "ceiling")
    if refusal := why_no_such_room(later.hotplug, later.memory.maximum_kib, ceiling):
        raise OperationRefused(refusal, field="ceiling")
    if slots > MOST_SLOTS or slots < len(later.hotplug.devices):
        raise OperationRefused(
            _("Between %(least)d and %(most)d.") % {"least": max(1, len(later.hotplug.devices)), "most": MOST_SLOTS},
            field="slots",
        )
    task.progress.sending()
    writing.make_room(task.connection, task.uuid, ceiling, slots)
    return _after(task)


def why_no_such_room(hotplug: Hotplug, maximum_kib: int, ceiling_kib: int) -> str:
    """Why a guest with this maximum cannot have this ceiling, or ""."""
    least = maximum_kib + (0 if hotplug.devices else PIECE_KIB)
    if ceiling_kib >= least:
        return ""
    return _("It has %(maximum)s already: %(least)s at least.") % {
        "maximum": memory_text(maximum_kib),
        "least": memory_text(least),
    }


def _take_away(task: Task) -> dict[str, Any]:
    later = _next_boot(task)
    if not later.hotplug.ceiling_kib:
        raise OperationRefused(
            _("%(guest)s has no room for more memory at its next boot.") % {"guest": task.guest.name}
        )
    if later.hotplug.devices:
        raise OperationRefused(
            _("Memory is plugged in at the next boot of %(guest)s: take that out first.") % {"guest": task.guest.name}
        )
    task.progress.sending()
    writing.take_room_away(task.connection, task.uuid)
    return _after(task)


def _next_boot(task: Task) -> resources.Definition:
    """What the next boot takes, unless it changed since the form was opened."""
    if task.connection.driver == "xen":
        raise NotSupported(_("The driver of this host cannot plug in memory."))
    later = next_boot_definition(task)
    now = room_values(later.hotplug)
    if any(name in task.before and task.before[name] != now[name] for name in now):
        raise OperationRefused(_("This changed since you opened the form."))
    return later


def room_values(hotplug: Hotplug) -> dict[str, int]:
    """What the form shows of it."""
    return {"ceiling_kib": hotplug.ceiling_kib, "slots": hotplug.slots}


def _after(task: Task) -> dict[str, Any]:
    guest = get_guest(task.connection, task.uuid)
    assert guest.next_boot is not None
    return {
        **room_values(guest.next_boot.hotplug),
        "waits_for_boot": guest.state.is_active,
    }


def _made(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    wanted = {"ceiling_kib": parameters.get("ceiling_kib"), "slots": parameters.get("slots")}
    return guest.next_boot is not None and room_values(guest.next_boot.hotplug) == wanted


def _taken_away(guest: resources.Guest, _parameters: dict[str, Any]) -> bool | None:
    return guest.next_boot is not None and not guest.next_boot.hotplug.ceiling_kib


MAKE_MEMORY_ROOM = register(
    OperationKind("make_memory_room", gettext_lazy("Make room for memory"), Action.DEVICES, _make, _made)
)
TAKE_MEMORY_ROOM = register(
    OperationKind(
        "take_memory_room", gettext_lazy("Take the room for memory away"), Action.DEVICES, _take_away, _taken_away
    )
)
