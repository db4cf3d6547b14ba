"""Memory: current (the balloon, now and at the next boot) and maximum (next boot)."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.errors import NotSupported, OperationRefused
from guests.hypervisor import writing
from guests.hypervisor.reading import get_guest
from guests.operations.kinds import OperationKind, Task, beyond_memory, register
from guests.operations.resizing import (
    live_definition,
    next_boot_definition,
    refuse_if_changed,
    refuse_over_host_memory,
    targets,
    whole_number,
)
from guests.resources import EventKind
from guests.units import memory_text

ARRIVED_KIB = 256  # a balloon this near has arrived: drivers round to pages
LOOK_SECONDS = 1.0  # how often the guest is read while its balloon moves and no event comes


def _set_current(task: Task) -> dict[str, Any]:
    kib = whole_number(task.parameters, "kib", "current")
    refuse_if_changed(task)
    refuse_over_host_memory(task, kib, "current")
    live, next_boot = targets(task)
    if live:
        _refuse_live(task, kib)
    if next_boot:
        _refuse_over_maximum(task, kib, next_boot_definition(task))
    task.progress.sending()
    writing.set_current_memory(task.connection, task.uuid, kib, live=live, next_boot=next_boot)
    if live:
        _wait_for_balloon(task, kib)
    return _after(task)


def _refuse_live(task: Task, kib: int) -> None:
    now = live_definition(task)
    if not now.balloon:
        raise NotSupported(
            _("%(guest)s has no memory balloon: its memory can change at the next boot only.")
            % {"guest": task.guest.name}
        )
    _refuse_over_maximum(task, kib, now)
    if kib >= now.memory.current_kib or task.parameters.get("force"):
        return
    used = _used_kib(task, now)
    if used is not None and kib < used:
        raise OperationRefused(
            _("%(guest)s uses %(used)s: with %(asked)s it would run out of memory.")
            % {"guest": task.guest.name, "used": memory_text(used), "asked": memory_text(kib)},
            field="current",
        )


def _used_kib(task: Task, now: resources.Definition) -> int | None:
    """What the guest holds less what could be taken away; None without balloon statistics."""
    usable = task.row.usable_kib
    if usable is None:
        return None
    return max(0, (task.row.balloon_kib or now.memory.current_kib) - usable)


def _refuse_over_maximum(task: Task, kib: int, definition: resources.Definition) -> None:
    if kib > definition.memory.maximum_kib:
        raise OperationRefused(
            _("%(guest)s can have at most %(maximum)s; its maximum can be raised for the next boot.")
            % {"guest": task.guest.name, "maximum": memory_text(definition.memory.maximum_kib)},
            field="current",
        )


def _wait_for_balloon(task: Task, wanted_kib: int) -> None:
    """Follow the balloon until it arrives; the deadline counts from its last movement."""
    limit = settings.BALLOON_SECONDS
    began_kib = held_kib = live_definition(task).memory.current_kib
    moved_at = time.monotonic()
    total = abs(wanted_kib - began_kib)
    while True:
        now_kib = _held_kib(task)
        if now_kib != held_kib:
            held_kib, moved_at = now_kib, time.monotonic()
        if abs(held_kib - wanted_kib) <= ARRIVED_KIB:
            return
        still = time.monotonic() - moved_at
        _end_if_unwanted(task, held_kib)
        if still >= limit:
            raise OperationRefused(
                _(
                    "Not reached: the guest's balloon driver did not answer. "
                    "Asked %(asked)s, still at %(held)s after %(seconds)d s."
                )
                % {"asked": memory_text(wanted_kib), "held": memory_text(held_kib), "seconds": round(still)}
            )
        task.progress.waiting(min(total, abs(held_kib - began_kib)), total)
        event = task.next_event(min(LOOK_SECONDS, max(0.01, limit - still)))
        if event is not None and event.kind is EventKind.BALLOON and event.kib is not None:
            beside = live_definition(task).hotplug.in_parts_kib  # of which the balloon tells nothing
            task.progress.moved(min(total, abs(event.kib + beside - began_kib)), total)


def _held_kib(task: Task) -> int:
    """What the guest holds now. OperationRefused when it stopped meanwhile."""
    guest = get_guest(task.connection, task.uuid)
    if guest.live is None or not guest.state.is_active:
        raise OperationRefused(_("%(guest)s stopped before its memory arrived.") % {"guest": guest.name})
    return guest.live.memory.current_kib


def _end_if_unwanted(task: Task, held_kib: int) -> None:
    if task.progress.is_replaced():
        raise OperationRefused(_("Replaced by a later operation."))
    if task.progress.is_cancelled():
        # What the guest holds becomes what it is to hold, or the balloon would go on without anybody waiting.
        writing.set_current_memory(task.connection, task.uuid, held_kib, live=True, next_boot=False)
        raise OperationRefused(_("Cancelled: the guest stays at %(held)s.") % {"held": memory_text(held_kib)})


def _set_maximum(task: Task) -> dict[str, Any]:
    kib = whole_number(task.parameters, "kib", "maximum")
    refuse_if_changed(task)
    refuse_over_host_memory(task, kib, "maximum")
    next_boot_definition(task)
    task.progress.sending()
    writing.set_maximum_memory(task.connection, task.uuid, kib)
    return _after(task)


def _after(task: Task) -> dict[str, Any]:
    """Both definitions as read back."""
    guest = get_guest(task.connection, task.uuid)
    after = {
        "current_kib": guest.definition.memory.current_kib,
        "maximum_kib": guest.definition.memory.maximum_kib,
    }
    if guest.next_boot is not None:
        after["next_boot_current_kib"] = guest.next_boot.memory.current_kib
        after["next_boot_maximum_kib"] = guest.next_boot.memory.maximum_kib
    return after


def _current_reached(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    live = not parameters.get("live") or (
        guest.live is not None and abs(guest.live.memory.current_kib - parameters["kib"]) <= ARRIVED_KIB
    )
    later = not parameters.get("next_boot") or (
        guest.next_boot is not None and guest.next_boot.memory.current_kib == parameters["kib"]
    )
    return live and later


def _maximum_reached(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    return guest.next_boot is not None and guest.next_boot.memory.maximum_kib == parameters["kib"]


SET_CURRENT_MEMORY = register(
    OperationKind(
        "set_current_memory",
        gettext_lazy("Set current memory"),
        Action.RESIZE,
        _set_current,
        _current_reached,
        refusal=beyond_memory,
        cancellable=True,
        replaces=frozenset({"set_current_memory"}),
    )
)
SET_MAXIMUM_MEMORY = register(
    OperationKind(
        "set_maximum_memory",
        gettext_lazy("Set maximum memory"),
        Action.RESIZE,
        _set_maximum,
        _maximum_reached,
        refusal=beyond_memory,
    )
)
