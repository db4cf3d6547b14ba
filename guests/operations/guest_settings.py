"""Settings of a guest: its name, title and description, whether it starts with its host, from what it boots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.errors import OperationRefused
from guests.hypervisor import guest_settings as writing
from guests.hypervisor.reading import get_guest
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.resizing import next_boot_definition
from guests.operations.starting import leave_the_order
from guests.operations.stored_disks import base_of_others

MOST_TITLE, MOST_DESCRIPTION, MOST_NAME = 200, 4000, 255


def _now(guest: resources.Guest) -> dict[str, Any]:
    """Every setting as it is."""
    definition, later = guest.definition, guest.next_boot
    return {
        "name": guest.name,
        "title": definition.title,
        "description": definition.description,
        "autostart": guest.autostart,
        "order": list((later or definition).boot_order),
    }


def _change(*names: str, write: Callable[[Task], None]) -> Callable[[Task], dict[str, Any]]:
    """Refused where one of the named settings is no longer what the form showed; answers them as read back."""

    def run(task: Task) -> dict[str, Any]:
        if task.guest.privileged:
            raise OperationRefused(_("%(guest)s is its host: this cannot be changed.") % {"guest": task.guest.name})
        now = _now(task.guest)
        for name in names:
            if name in task.before and task.before[name] != now[name]:
                raise OperationRefused(_("This changed since you opened the form."), field=name)
        task.progress.sending()
        write(task)
        after = _now(get_guest(task.connection, task.uuid))
        return {name: after[name] for name in names}

    return run


def _text(task: Task, name: str, most: int) -> str:
    value = task.parameters.get(name)
    if not isinstance(value, str) or len(value) > most:
        raise OperationRefused(_("This is too long."), field=name)
    return value


def _rename(task: Task) -> None:
    if task.row.snapshots:
        raise OperationRefused(
            _("%(guest)s has snapshots: libvirt renames none that has. Delete them first.")
            % {"guest": task.guest.name},
            field="name",
        )
    writing.rename(task.connection, task.uuid, _text(task, "name", MOST_NAME))


def _describe(task: Task) -> None:
    title, description = _text(task, "title", MOST_TITLE), _text(task, "description", MOST_DESCRIPTION)
    writing.describe(task.connection, task.uuid, title=title, description=description)


def _autostart(task: Task) -> None:
    if not task.guest.persistent:
        raise OperationRefused(_("%(guest)s is transient: it has no next start.") % {"guest": task.guest.name})
    if task.parameters.get("autostart") and base_of_others(task.row):
        raise OperationRefused(
            _("Linked clones lie over the disks of %(guest)s: it must not start.") % {"guest": task.guest.name}
        )
    writing.set_autostart(task.connection, task.uuid, on=bool(task.parameters.get("autostart")))
    leave_the_order(task.row)


def _boot_order(task: Task) -> None:
    order = task.parameters.get("order")
    if not isinstance(order, list) or not order or len(set(order)) != len(order):
        raise OperationRefused(_("Name at least one device, each once."))
    next_boot_definition(task)
    writing.set_boot_order(task.connection, task.uuid, [str(name) for name in order])


def _is(*names: str) -> Callable[[resources.Guest, dict[str, Any]], bool | None]:
    def reached(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
        now = _now(guest)
        return all(now[name] == parameters.get(name) for name in names)

    return reached


RENAME = register(
    OperationKind("rename", gettext_lazy("Rename"), Action.DEVICES, _change("name", write=_rename), _is("name"))
)
DESCRIBE = register(
    OperationKind(
        "describe",
        gettext_lazy("Title and description"),
        Action.RESIZE,
        _change("title", "description", write=_describe),
        _is("title", "description"),
    )
)
SET_AUTOSTART = register(
    OperationKind(
        "set_autostart",
        gettext_lazy("Start with the host"),
        Action.POWER,
        _change("autostart", write=_autostart),
        _is("autostart"),
    )
)
SET_BOOT_ORDER = register(
    OperationKind(
        "set_boot_order",
        gettext_lazy("Boot order"),
        Action.DEVICES,
        _change("order", write=_boot_order),
        _is("order"),
    )
)
