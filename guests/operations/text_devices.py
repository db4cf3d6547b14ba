"""Text consoles for guests that lack them, from the next boot on: a serial port, and a log that the host writes."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.errors import OperationRefused
from guests.hypervisor import writing
from guests.hypervisor.reading import get_guest
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.resizing import next_boot_definition


def _add_serial(task: Task) -> dict[str, Any]:
    definition = next_boot_definition(task)
    shown = task.before.get("text_consoles")
    if shown is not None and shown != len(definition.text_consoles):
        raise OperationRefused(_("The consoles of this guest changed since you opened the form."))
    task.progress.sending()
    writing.add_serial_console(task.connection, task.uuid)
    return _after(task)


def _set_host_log(task: Task) -> dict[str, Any]:
    device, on = task.parameters.get("device"), task.parameters.get("on")
    if not isinstance(device, str) or not isinstance(on, bool):
        raise OperationRefused(_("Say which console, and whether its log is wanted."))
    next_boot_definition(task)
    task.progress.sending()
    writing.set_host_log(task.connection, task.uuid, device, on=on)
    return _after(task)


def _after(task: Task) -> dict[str, Any]:
    """The consoles of the next boot as read back, and whether that boot is still to come."""
    guest = get_guest(task.connection, task.uuid)
    consoles = guest.next_boot.text_consoles if guest.next_boot else ()
    return {
        "text_consoles": [console.device for console in consoles],
        "host_logs": {console.device: console.host_log for console in consoles if console.host_log},
        "waits_for_boot": guest.state.is_active,
    }


def _serial_reached(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    wanted = parameters.get("text_consoles")
    if guest.next_boot is None or not isinstance(wanted, int):
        return None
    return len(guest.next_boot.text_consoles) >= wanted


def _log_reached(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    if guest.next_boot is None:
        return None
    found = [c for c in guest.next_boot.text_consoles if c.device == parameters.get("device")]
    return bool(found) and bool(found[0].host_log) == parameters.get("on")


ADD_SERIAL_CONSOLE = register(
    OperationKind(
        "add_serial_console", gettext_lazy("Add a serial console"), Action.RESIZE, _add_serial, _serial_reached
    )
)
SET_HOST_LOG = register(
    OperationKind("set_host_log", gettext_lazy("Console log on the host"), Action.RESIZE, _set_host_log, _log_reached)
)
