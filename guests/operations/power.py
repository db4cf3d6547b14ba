"""Power: start, shut down, force off, reboot, reset, pause, resume."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.errors import GuestNotFound, OperationRefused
from guests.hypervisor import writing
from guests.hypervisor.connection import Connection
from guests.hypervisor.reading import get_guest
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.stored_disks import base_of_others
from guests.resources import GuestState

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

LOOK_SECONDS = 1.0  # how often a guest that should stop is looked at where no event tells


def _after(task: Task) -> dict[str, Any]:
    """The state as read back; a transient guest is gone once it stopped."""
    try:
        return {"state": str(get_guest(task.connection, task.uuid).state)}
    except GuestNotFound:
        return {"state": str(GuestState.SHUT_OFF)}


def _refuse_privileged(task: Task) -> None:
    if task.guest.privileged:
        raise OperationRefused(
            _("%(guest)s runs the host itself: its power is the host's, and cannot be changed here.")
            % {"guest": task.guest.name}
        )


def _press(call: Callable[[Connection, UUID], None]) -> Callable[[Task], dict[str, Any]]:
    """A kind that is done when libvirt took the call."""

    def run(task: Task) -> dict[str, Any]:
        _refuse_privileged(task)
        task.progress.sending()
        call(task.connection, task.uuid)
        return _after(task)

    return run


def _boot(call: Callable[[Connection, UUID], None]) -> Callable[[Task], dict[str, Any]]:
    """Not of a guest over whose disks others lie: one write to them, and theirs are destroyed."""
    press = _press(call)

    def run(task: Task) -> dict[str, Any]:
        if targets := base_of_others(task.row):
            raise OperationRefused(
                _("Linked clones lie over %(disks)s of %(guest)s: started, it would destroy them. Delete them first.")
                % {"disks": ", ".join(targets), "guest": task.guest.name}
            )
        return press(task)

    return run


def _shut_down(task: Task) -> dict[str, Any]:
    """Press the power button and wait until the guest stopped."""
    _refuse_privileged(task)
    task.progress.sending()
    writing.shut_down(task.connection, task.uuid)
    limit = settings.SHUT_DOWN_SECONDS
    asked_at = time.monotonic()
    while (after := _after(task)) and GuestState(after["state"]).is_active:
        waited = time.monotonic() - asked_at
        if task.progress.is_cancelled():
            raise OperationRefused(_("Nobody waits for it any more. The guest may still shut down."))
        if task.progress.is_replaced():
            raise OperationRefused(_("Replaced by a later operation."))
        if waited >= limit:
            raise OperationRefused(
                _("%(guest)s did not answer the power button: it still runs after %(seconds)d s.")
                % {"guest": task.guest.name, "seconds": round(waited)}
            )
        task.progress.waiting(round(waited), round(limit))
        task.next_event(min(LOOK_SECONDS, limit - waited))
    return after


def _becomes(*states: GuestState) -> Callable[[resources.Guest, dict[str, Any]], bool | None]:
    def reached(guest: resources.Guest, _parameters: dict[str, Any]) -> bool | None:
        return guest.state in states

    return reached


def _cannot_be_read(_guest: resources.Guest, _parameters: dict[str, Any]) -> bool | None:
    return None


_RUNNING = _becomes(GuestState.RUNNING, GuestState.IDLE)
_OFF = _becomes(GuestState.SHUT_OFF, GuestState.CRASHED)
_WAITING_FOR_THE_GUEST = frozenset({"shut_down", "set_current_memory"})


def _kind(
    name: str,
    label: _StrPromise,
    run: Callable[[Task], dict[str, Any]],
    reached: Callable[[resources.Guest, dict[str, Any]], bool | None],
    *,
    cancellable: bool = False,
    replaces: frozenset[str] = frozenset(),
) -> OperationKind:
    return register(OperationKind(name, label, Action.POWER, run, reached, cancellable=cancellable, replaces=replaces))


START = _kind("start", gettext_lazy("Start"), _boot(writing.start), _RUNNING)
START_PAUSED = _kind(
    "start_paused", gettext_lazy("Start paused"), _boot(writing.start_paused), _becomes(GuestState.PAUSED)
)
SHUT_DOWN = _kind(
    "shut_down",
    gettext_lazy("Shut down"),
    _shut_down,
    _OFF,
    cancellable=True,
    replaces=frozenset({"shut_down"}),
)
FORCE_OFF = _kind(
    "force_off",
    gettext_lazy("Force off"),
    _press(writing.force_off),
    _OFF,
    replaces=_WAITING_FOR_THE_GUEST,
)
REBOOT = _kind("reboot", gettext_lazy("Reboot"), _press(writing.reboot), _cannot_be_read)
RESET = _kind("reset", gettext_lazy("Reset"), _press(writing.reset), _cannot_be_read)
PAUSE = _kind("pause", gettext_lazy("Pause"), _press(writing.pause), _becomes(GuestState.PAUSED))
RESUME = _kind("resume", gettext_lazy("Resume"), _press(writing.resume), _RUNNING)
