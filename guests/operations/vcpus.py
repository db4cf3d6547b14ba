"""vCPUs: more now, up to what the guest was booted with; any number at the next boot."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.errors import OperationRefused
from guests.hypervisor import writing
from guests.hypervisor.reading import get_guest
from guests.operations.kinds import OperationKind, Task, beyond_vcpus, register
from guests.operations.resizing import (
    live_definition,
    next_boot_definition,
    refuse_if_changed,
    targets,
    whole_number,
)


def _set_current(task: Task) -> dict[str, Any]:
    count = whole_number(task.parameters, "count", "count")
    refuse_if_changed(task)
    live, next_boot = targets(task)
    if live:
        now = live_definition(task)
        if count < now.vcpus.current:
            # Unplugging blocks for 5 s and fails, and a later reset has crashed QEMU 7.2.
            raise OperationRefused(
                _("%(guest)s runs with %(count)d vCPUs: fewer are possible at the next boot only.")
                % {"guest": task.guest.name, "count": now.vcpus.current},
                field="count",
            )
        _refuse_over_maximum(task, count, now)
    if next_boot:
        _refuse_over_maximum(task, count, next_boot_definition(task))
    task.progress.sending()
    writing.set_vcpus(task.connection, task.uuid, count, live=live, next_boot=next_boot)
    return _after(task)


def _refuse_over_maximum(task: Task, count: int, definition: resources.Definition) -> None:
    if count > definition.vcpus.maximum:
        raise OperationRefused(
            _("%(guest)s can have at most %(maximum)d vCPUs; its maximum can be raised for the next boot.")
            % {"guest": task.guest.name, "maximum": definition.vcpus.maximum},
            field="count",
        )


def _set_maximum(task: Task) -> dict[str, Any]:
    count = whole_number(task.parameters, "count", "maximum")
    refuse_if_changed(task)
    later = next_boot_definition(task)
    if later.cpu.sockets and count != later.vcpus.maximum:
        raise OperationRefused(
            _("%(guest)s has %(maximum)d vCPUs by its topology: change that first, under “In depth”.")
            % {"guest": task.guest.name, "maximum": later.vcpus.maximum},
            field="maximum",
        )
    task.progress.sending()
    writing.set_maximum_vcpus(task.connection, task.uuid, count)
    return _after(task)


def _after(task: Task) -> dict[str, Any]:
    """Both definitions as read back."""
    guest = get_guest(task.connection, task.uuid)
    after = {"vcpus_current": guest.definition.vcpus.current, "vcpus_maximum": guest.definition.vcpus.maximum}
    if guest.next_boot is not None:
        after["next_boot_vcpus_current"] = guest.next_boot.vcpus.current
        after["next_boot_vcpus_maximum"] = guest.next_boot.vcpus.maximum
    return after


def _current_reached(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    live = not parameters.get("live") or (guest.live is not None and guest.live.vcpus.current == parameters["count"])
    later = not parameters.get("next_boot") or (
        guest.next_boot is not None and guest.next_boot.vcpus.current == parameters["count"]
    )
    return live and later


def _maximum_reached(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    return guest.next_boot is not None and guest.next_boot.vcpus.maximum == parameters["count"]


SET_VCPUS = register(
    OperationKind(
        "set_vcpus", gettext_lazy("Set vCPUs"), Action.RESIZE, _set_current, _current_reached, refusal=beyond_vcpus
    )
)
SET_MAXIMUM_VCPUS = register(
    OperationKind(
        "set_maximum_vcpus",
        gettext_lazy("Set maximum vCPUs"),
        Action.RESIZE,
        _set_maximum,
        _maximum_reached,
        refusal=beyond_vcpus,
    )
)
