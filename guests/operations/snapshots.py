"""Snapshots: taken, gone back to, deleted.

They are kept inside the guest's qcow2 disks. A guest that runs is kept with its memory, one that is off by its disks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action, may_on
from guests.errors import OperationRefused
from guests.hypervisor import snapshots as hypervisor
from guests.hypervisor import writing
from guests.hypervisor.connection import Connection
from guests.hypervisor.reading import get_guest
from guests.inventory.models import Guest, MACUse
from guests.inventory.volume_uses import uses_on
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.long_call import own_connection, run_long_call
from guests.operations.resizing import refuse_if_changed
from guests.operations.snapshot_rules import (
    AS_IT_WAS,
    MOST_DESCRIPTION,
    NAME,
    THEN,
    is_written,
    no_room_for_memory,
    why_no_snapshot,
    with_those_after,
)
from guests.operations.stored_disks import base_of_others, why_not_written
from guests.resources import GuestState, Snapshot

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


def _take(task: Task) -> dict[str, Any]:
    refuse_if_changed(task)
    name, description = task.parameters.get("name"), task.parameters.get("description", "")
    _refuse_new(task, name, description)
    _run(task, lambda connection: hypervisor.take_snapshot(connection, task.uuid, str(name), str(description)))
    return _after(task)


def _refuse_new(task: Task, name: object, description: object) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise OperationRefused(
            _("Letters, digits, dots, hyphens and underscores, at most 63, and not digits alone."), field="name"
        )
    if not isinstance(description, str) or len(description) > MOST_DESCRIPTION:
        raise OperationRefused(_("This is too long."), field="description")
    if why := why_no_snapshot(task.guest, task.guest.definition, task.row.host.driver):
        raise OperationRefused(why)
    if why := no_room_for_memory(task.row) or why_not_written(task.row):
        raise OperationRefused(why)
    if any(one.name == name for one in hypervisor.list_snapshots(task.connection, task.uuid)):
        raise OperationRefused(_("There is a snapshot of this name already."), field="name")


def _revert(task: Task) -> dict[str, Any]:
    refuse_if_changed(task)
    snapshot, _all = _found(task)
    names = {"guest": task.guest.name}
    then = THEN.get(task.parameters.get("then", AS_IT_WAS))
    if task.guest.saved:
        raise OperationRefused(
            _("%(guest)s is saved to the disk of its host: restore it or discard that first.") % names
        )
    if then is GuestState.PAUSED and not snapshot.memory:
        raise OperationRefused(_("Without memory there is nothing that could go on: choose another end."), field="then")
    if base_of_others(task.row):
        raise OperationRefused(
            _("Linked clones lie over the disks of %(guest)s: going back would destroy them.") % names
        )
    _refuse_what_others_have(task, snapshot)
    if first := task.parameters.get("first"):
        _refuse_new(task, first, "")
        _run(task, lambda connection: hypervisor.take_snapshot(connection, task.uuid, str(first), ""))
    boots = (
        then is GuestState.RUNNING and not snapshot.memory
    )  # a start of its own: drivers differ in what they do here
    end = None if boots else then
    _run(task, lambda connection: hypervisor.revert_to_snapshot(connection, task.uuid, snapshot.name, end))
    if boots:
        writing.start(task.connection, task.uuid)
    return _after(task)


def _refuse_what_others_have(task: Task, snapshot: Snapshot) -> None:
    """A MAC or a disk of then may be another guest's by now."""
    definition = hypervisor.definition_in(task.connection, task.uuid, snapshot.name)
    macs = [nic.mac for nic in definition.nics]
    taken = MACUse.objects.filter(mac__in=macs).exclude(guest=task.row).exclude(guest__uuid=task.uuid)
    if use := taken.select_related("guest__host").first():
        raise OperationRefused(
            _("Going back would bring back the MAC %(mac)s, which another guest has by now.") % {"mac": use.mac},
            detail=f"{use.mac}: {use.guest.name} on {use.guest.host.name}",
        )
    uses = uses_on(task.row.host)
    for disk in definition.disks:
        if is_written(disk) and any(use.guest_id != task.row.pk for use in uses.get(disk.source, [])):
            raise OperationRefused(
                _("Going back would bring back the disk %(target)s, which another guest has by now.")
                % {"target": disk.target},
                detail=disk.source,
            )


def _beyond_asker(by: AbstractBaseUser, guest: Guest, parameters: dict[str, Any]) -> str:
    """Going back gives the guest what it had then: networks, disks and devices of the host. What it has no more is
    given back by who administrates the whole host.
    """
    snapshot = next((one for one in guest.snapshots if one["name"] == parameters.get("name")), None)
    if snapshot is None or may_on(by, Action.DEVICES, guest.host):
        return ""
    definitions = [definition for definition in (guest.definition, guest.next_boot) if definition]
    now = {f"disk:{disk['source']}" for definition in definitions for disk in definition["disks"]}
    now |= {f"{nic['kind']}:{nic['source']}" for definition in definitions for nic in definition["nics"]}
    if set(snapshot.get("reaches", ())) <= now:
        return ""
    return _("Then it had networks, disks or devices of the host that it has no more: ask who administrates the host.")


def _delete(task: Task) -> dict[str, Any]:
    snapshot, known = _found(task)
    children = bool(task.parameters.get("children"))
    going = {snapshot.name, *(_below(known, snapshot.name) if children else ())}
    shown = task.before.get("names")
    if children and shown is not None and going != set(shown):
        raise OperationRefused(_("More or other snapshots were taken from it since you opened the form."))
    if any(one.external for one in known if one.name in going):
        raise OperationRefused(_external())
    if why := why_not_written(task.row):
        raise OperationRefused(why)
    _run(task, lambda connection: hypervisor.delete_snapshot(connection, task.uuid, snapshot.name, children=children))
    return {**_after(task), "deleted": sorted(going)}


def _below(known: Iterable[Snapshot], name: str) -> list[str]:
    return with_those_after([{"name": one.name, "parent": one.parent} for one in known], name)


def _found(task: Task) -> tuple[Snapshot, tuple[Snapshot, ...]]:
    """The snapshot that is meant, and all. Refused where it is none of ours, or another of the same name."""
    name, known = task.parameters.get("name"), hypervisor.list_snapshots(task.connection, task.uuid)
    snapshot = next((one for one in known if one.name == name), None)
    if snapshot is None:
        raise OperationRefused(
            _("%(guest)s has no snapshot %(name)s (any more).") % {"guest": task.guest.name, "name": name}
        )
    if task.before.get("made_at") not in {None, snapshot.made_at}:
        raise OperationRefused(_("This snapshot was taken anew since you opened the form: look at it again."))
    if snapshot.external:
        raise OperationRefused(_external())
    return snapshot, known


def _external() -> str:
    return _("It was made outside Guesthouse, with files of its own: change it where it was made.")


def _run(task: Task, call: Callable[[Connection], None]) -> None:
    with own_connection(task) as connection:
        task.progress.sending()
        task.progress.under_way()
        run_long_call(task, lambda: call(connection))


def _after(task: Task) -> dict[str, Any]:
    """State, snapshots and the current one as read back."""
    guest = get_guest(task.connection, task.uuid, snapshots=True)
    known = guest.snapshots or ()
    return {
        "state": str(guest.state),
        "snapshots": [one.name for one in known],
        "current": next((one.name for one in known if one.current), ""),
    }


def _is_there(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    return None if guest.snapshots is None else parameters.get("name") in {one.name for one in guest.snapshots}


def _is_gone(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    return None if guest.snapshots is None else parameters.get("name") not in {one.name for one in guest.snapshots}


def _cannot_be_read(_guest: resources.Guest, _parameters: dict[str, Any]) -> bool | None:
    """It may have been current before."""
    return None


TAKE_SNAPSHOT = register(
    OperationKind("take_snapshot", gettext_lazy("Take a snapshot"), Action.DEVICES, _take, _is_there)
)
REVERT_TO_SNAPSHOT = register(
    OperationKind(
        "revert_to_snapshot",
        gettext_lazy("Go back to a snapshot"),
        Action.DEVICES,
        _revert,
        _cannot_be_read,
        refusal=_beyond_asker,
    )
)
DELETE_SNAPSHOT = register(
    OperationKind("delete_snapshot", gettext_lazy("Delete a snapshot"), Action.DEVICES, _delete, _is_gone)
)
