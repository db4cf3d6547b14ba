"""Waiting for a running guest to let go of a device: only its live definition tells, and a guest may never do it."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings

from guests.errors import OperationRefused
from guests.hypervisor.reading import get_guest
from guests.operations.kinds import Task
from guests.resources import DEVICE_KEPT, Definition

LOOK_SECONDS = 0.5  # should the event of its end be missed


def wait_until_gone(
    task: Task,
    name: str,
    named: Callable[[Definition, str], object],
    *,
    cancelled: str,
    kept: str,
    refused: str = "",
) -> None:
    """At most `UNPLUG_SECONDS`, until the live definition has no device `named` so. Raises OperationRefused with one of
    the sentences, which may say %(guest)s, %(target)s and %(seconds)d; `refused` where the name is libvirt's alias and
    the guest says that it keeps the device.
    """
    asked_at, limit = time.monotonic(), settings.UNPLUG_SECONDS
    while (live := get_guest(task.connection, task.uuid).live) is not None and named(live, name):
        waited = time.monotonic() - asked_at
        if task.progress.is_cancelled():
            raise OperationRefused(cancelled)
        if waited >= limit:
            raise OperationRefused(kept % {"guest": task.guest.name, "target": name, "seconds": round(waited)})
        task.progress.waiting(round(waited), round(limit))
        event = task.next_event(min(LOOK_SECONDS, limit - waited))
        if refused and event is not None and event.detail == f"{DEVICE_KEPT}{name}":
            raise OperationRefused(refused % {"guest": task.guest.name, "target": name})
