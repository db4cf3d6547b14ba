"""Waiting for a running guest to take what was plugged in, or to give it back: only the guest can say so."""

from __future__ import annotations

import time

from django.conf import settings
from django.utils.translation import gettext as _

from guests.errors import OperationRefused
from guests.hypervisor import memory_devices as writing
from guests.hypervisor.reading import get_guest
from guests.operations.kinds import Task
from guests.operations.memory_rules import device_named
from guests.resources import Definition
from guests.units import memory_text

LOOK_SECONDS = 1.0  # should an event be missed
SHOWN = 0.75  # of a DIMM: the guest keeps a little of it for itself


def wait_until_taken(task: Task, name: str, began_kib: int, wanted_kib: int) -> None:
    """Follow a virtio-mem device until the guest took, or gave back, what was asked; counted from its last movement."""
    held = _held(task, name, wanted_kib)
    total, moved_at = abs(wanted_kib - began_kib), time.monotonic()
    while held != wanted_kib:
        still = time.monotonic() - moved_at
        if task.progress.is_cancelled():
            writing.request(task.connection, task.uuid, name, held, live=True)
            raise OperationRefused(_("Cancelled: the guest stays at %(held)s.") % {"held": memory_text(held)})
        if still >= settings.BALLOON_SECONDS:
            raise OperationRefused(
                _("Asked for %(asked)s; the guest stands at %(held)s and has not moved for %(seconds)d s.")
                % {"asked": memory_text(wanted_kib), "held": memory_text(held), "seconds": round(still)}
            )
        task.progress.waiting(min(total, abs(held - began_kib)), total)
        task.next_event(LOOK_SECONDS)
        before, held = held, _held(task, name, wanted_kib)
        if held != before:
            moved_at = time.monotonic()


def _held(task: Task, name: str, wanted_kib: int) -> int:
    """What the guest has of a device now. OperationRefused where that is wanted no more."""
    found = device_named(_running(task), name)
    if found is None:
        raise OperationRefused(_("This guest has no memory device %(name)s (any more).") % {"name": name})
    if found.requested_kib != wanted_kib:
        raise OperationRefused(_("Replaced by a later operation."))
    return found.held_kib


def seen_by_guest(task: Task) -> int | None:
    """All the memory that the guest itself sees, by its balloon's statistics; None where it does not tell."""
    return writing.memory_seen_by_guest(task.connection, task.uuid)


def wait_until_seen(task: Task, before_kib: int, size_kib: int) -> None:
    """A DIMM is there for the guest at once; that it was brought online the guest's own figures tell a moment later."""
    asked_at = time.monotonic()
    while not _shows(task, before_kib, size_kib):
        waited = time.monotonic() - asked_at
        if task.progress.is_cancelled():
            raise OperationRefused(_("Nobody waits for it any more: the memory is plugged in."))
        if waited >= settings.BALLOON_SECONDS:
            raise OperationRefused(
                _(
                    "Plugged in, but the guest has not shown it within %(seconds)d s: it may have to bring it online, "
                    "or cannot."
                )
                % {"seconds": round(waited)}
            )
        task.progress.waiting(round(waited), round(settings.BALLOON_SECONDS))
        task.next_event(LOOK_SECONDS)


def _shows(task: Task, before_kib: int, size_kib: int) -> bool:
    """Whether the guest sees so much more than before; or, as its figures are seconds old and its balloon may have
    moved, whether it lacks less of what it was given than it would without the DIMM.
    """
    given, seen = _running(task).memory.current_kib, seen_by_guest(task) or 0
    return seen >= before_kib + SHOWN * size_kib or given - seen < size_kib


def _running(task: Task) -> Definition:
    guest = get_guest(task.connection, task.uuid)
    if guest.live is None or not guest.state.is_active:
        raise OperationRefused(_("%(guest)s stopped before its memory arrived.") % {"guest": guest.name})
    return guest.live
