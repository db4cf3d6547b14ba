"""Starting with the host: a guest's place in the order of its host, and its start after a boot."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.errors import OperationRefused
from guests.hypervisor import guest_settings
from guests.hypervisor.reading import get_guest
from guests.inventory.models import Guest
from guests.inventory.moving import is_active_elsewhere
from guests.operations.host_starts import START_KIND, HostBoot, StartPlace
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.power import START
from guests.resources import GuestState

MOST_PLACE, MOST_WAIT_SECONDS = 999, 3600


def start_order_of(guest: Guest) -> dict[str, Any]:
    """How it starts with its host: `autostart` by libvirt, at once; `place` in the order, or None."""
    row = StartPlace.objects.filter(pk=guest.pk).first()
    return {
        "autostart": guest.autostart,
        "place": row.place if row else None,
        "wait_seconds": row.wait_seconds if row else 0,
    }


def leave_the_order(guest: Guest) -> None:
    """It starts by libvirt's flag, or not at all."""
    StartPlace.objects.filter(pk=guest.pk).delete()


def _set_order(task: Task) -> dict[str, Any]:
    names = {"guest": task.guest.name, "host": task.row.host.name}
    if task.guest.privileged or not task.guest.persistent:
        raise OperationRefused(_("%(guest)s is its host, or transient: it cannot be started with it.") % names)
    now = start_order_of(task.row) | {"autostart": task.guest.autostart}
    if any(now[name] != shown for name, shown in task.before.items() if name in now):
        raise OperationRefused(_("How %(guest)s starts changed since you opened the form.") % names)
    place, wait_seconds = task.parameters.get("place"), task.parameters.get("wait_seconds", 0)
    if place is None:
        leave_the_order(task.row)
        return _order_after(task)
    if not _is_whole(place, 1, MOST_PLACE) or not _is_whole(wait_seconds, 0, MOST_WAIT_SECONDS):
        raise OperationRefused(_("A place is 1 to %(most)d, a wait 0 to %(seconds)d s.") % _MOST)
    if not HostBoot.objects.filter(host=task.row.host).exists():
        raise OperationRefused(_("%(host)s does not tell when it booted: it can start guests at once only.") % names)
    # In this order: a worker that dies between the two leaves a guest that starts at once, not one that never does.
    StartPlace.objects.update_or_create(guest_id=task.row.pk, defaults={"place": place, "wait_seconds": wait_seconds})
    task.progress.sending()
    if task.guest.autostart:
        guest_settings.set_autostart(task.connection, task.uuid, on=False)
    return _order_after(task)


_MOST = {"most": MOST_PLACE, "seconds": MOST_WAIT_SECONDS}


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and least <= value <= most


def _order_after(task: Task) -> dict[str, Any]:
    return start_order_of(task.row) | {"autostart": get_guest(task.connection, task.uuid).autostart}


def _order_reached(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    """The place is a row of ours, which was written first."""
    return None if parameters.get("place") is None else not guest.autostart


def _start(task: Task) -> dict[str, Any]:
    """Whatever is in doubt stays off."""
    names = {"guest": task.guest.name}
    if task.guest.state.is_active:
        return {"state": str(task.guest.state), "started": False}
    if task.guest.state is not GuestState.SHUT_OFF or task.guest.reason:
        raise OperationRefused(_("%(guest)s was stopped after its host had booted: it stays off.") % names)
    if task.row.left_behind or is_active_elsewhere(task.uuid, task.row.host_id):
        raise OperationRefused(
            _("%(guest)s runs on another host, or did when that was last read: it stays off.") % names
        )
    return START.run(task) | {"started": True}


def _runs(guest: resources.Guest, _parameters: dict[str, Any]) -> bool | None:
    return guest.state.is_active


SET_START_ORDER = register(
    OperationKind(
        "set_start_order", gettext_lazy("Place in the start of its host"), Action.POWER, _set_order, _order_reached
    )
)
START_WITH_HOST = register(
    OperationKind(START_KIND, gettext_lazy("Start with the host"), Action.POWER, _start, _runs, standing=True)
)
