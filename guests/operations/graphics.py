"""Graphical consoles from the next boot on: one for a guest without, and one that nobody on the network reaches."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.hypervisor import writing
from guests.hypervisor.reading import get_guest
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.resizing import next_boot_definition


def _add(task: Task) -> dict[str, Any]:
    next_boot_definition(task)
    task.progress.sending()
    writing.add_vnc(task.connection, task.uuid)
    return _after(task)


def _keep_inside(task: Task) -> dict[str, Any]:
    next_boot_definition(task)
    task.progress.sending()
    writing.keep_vnc_inside(task.connection, task.uuid)
    return _after(task)


def _after(task: Task) -> dict[str, Any]:
    """The screens of the next boot as read back, and whether that boot is still to come."""
    guest = get_guest(task.connection, task.uuid)
    return {
        "graphics": [f"{g.kind} {g.listen} {g.address or ''}".strip() for g in _screens(guest)],
        "waits_for_boot": guest.state.is_active,
    }


def _screens(guest: resources.Guest) -> tuple[resources.Graphics, ...]:
    return guest.next_boot.graphics if guest.next_boot else ()


def _is_there(guest: resources.Guest, _parameters: dict[str, Any]) -> bool | None:
    return None if guest.next_boot is None else any(graphics.kind == "vnc" for graphics in _screens(guest))


def _is_inside(guest: resources.Guest, _parameters: dict[str, Any]) -> bool | None:
    return None if guest.next_boot is None else not any(graphics.is_exposed for graphics in _screens(guest))


ADD_GRAPHICS = register(
    OperationKind("add_graphics", gettext_lazy("Add a graphical console"), Action.RESIZE, _add, _is_there)
)
KEEP_INSIDE = register(
    OperationKind(
        "keep_graphics_inside",
        gettext_lazy("Keep the screen inside of its host"),
        Action.RESIZE,
        _keep_inside,
        _is_inside,
    )
)
