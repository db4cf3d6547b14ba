"""NICs: plug in, take out, change; a MAC that another guest has is refused once more here, where it would be given."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.access.networks import may_connect
from guests.errors import OperationRefused
from guests.hypervisor import writing
from guests.hypervisor.reading import get_guest
from guests.inventory.mac_addresses import normal_mac
from guests.inventory.models import Guest
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.mac_pools import refuse_used
from guests.operations.resizing import live_definition, targets
from guests.operations.unplugging import wait_until_gone
from guests.resources import NIC

KINDS_OF_NIC = {"network", "bridge"}


def _wanted(task: Task) -> NIC:
    """The NIC that is asked for. Its MAC was taken from a pool, or typed and looked up, when it was asked for."""
    asked = task.parameters.get("nic")
    if not isinstance(asked, dict):
        raise OperationRefused(_("Say what the NIC should be like."))
    try:
        nic = NIC(**asked)
    except TypeError as error:
        raise OperationRefused(_("Say what the NIC should be like."), detail=str(error)) from error
    if nic.kind not in KINDS_OF_NIC or not nic.source:
        raise OperationRefused(_("Choose a network or a bridge of the host."), field="source")
    if normal_mac(nic.mac) != nic.mac:
        raise OperationRefused(_("A MAC has six bytes, such as 52:54:00:12:34:56."), field="mac")
    return nic


def _add(task: Task) -> dict[str, Any]:
    nic = _wanted(task)
    live, next_boot = targets(task)
    refuse_used(nic.mac, task.row)
    task.progress.sending()
    if live:
        writing.add_nic(task.connection, task.uuid, nic, live=True)
    if next_boot:
        writing.add_nic(task.connection, task.uuid, nic, live=False)
    return _after(task)


def _change(task: Task) -> dict[str, Any]:
    nic, mac = _wanted(task), _mac(task)
    live, next_boot = targets(task)
    if nic.mac != mac:
        if live:
            raise OperationRefused(_("A running guest keeps the MACs of its NICs: this holds from the next boot."))
        refuse_used(nic.mac, task.row)
    _refuse_if_changed(task, mac)
    if live and (now := _named(live_definition(task), mac)) and nic.model not in {"", now.model}:
        raise OperationRefused(
            _("The model of a NIC can change at the next boot only: now it is %(model)s.") % {"model": now.model},
            field="model",
        )
    task.progress.sending()
    if live:
        writing.change_nic(task.connection, task.uuid, mac, nic, live=True)
    if next_boot:
        writing.change_nic(task.connection, task.uuid, mac, nic, live=False)
    return _after(task)


def _remove(task: Task) -> dict[str, Any]:
    """Live, the guest has to let go of it: waited for, at most `UNPLUG_SECONDS`."""
    mac = _mac(task)
    live, next_boot = targets(task)
    _refuse_if_changed(task, mac)
    there_later = task.guest.next_boot is not None and _named(task.guest.next_boot, mac) is not None
    there_now = live and _named(live_definition(task), mac) is not None
    if not there_now and not (next_boot and there_later):
        raise OperationRefused(_("This guest has no NIC %(mac)s (any more).") % {"mac": mac})
    task.progress.sending()
    if next_boot and there_later:
        writing.remove_nic(task.connection, task.uuid, mac, live=False)
    if there_now:
        writing.remove_nic(task.connection, task.uuid, mac, live=True)
        wait_until_gone(
            task,
            mac,
            _named,
            cancelled=_("Nobody waits for it any more. The guest may still let go of the NIC."),
            kept=_("%(guest)s did not let go of the NIC within %(seconds)d s. Its next boot is without it.")
            if task.parameters.get("next_boot")
            else _("%(guest)s did not let go of the NIC within %(seconds)d s."),
        )
    return _after(task)


def _mac(task: Task) -> str:
    mac = task.parameters.get("mac")
    if not isinstance(mac, str) or not mac:
        raise OperationRefused(_("Say which NIC."))
    return mac


def _named(definition: resources.Definition, mac: str) -> NIC | None:
    return next((nic for nic in definition.nics if nic.mac == mac), None)


def _refuse_if_changed(task: Task, mac: str) -> None:
    """`before`: {network: of this NIC as the form showed it}."""
    shown = task.before.get("source")
    found = _named(task.guest.definition, mac) or (task.guest.next_boot and _named(task.guest.next_boot, mac))
    if shown is not None and found and found.source != shown:
        raise OperationRefused(
            _("This NIC changed since you opened the form: it is connected to %(source)s now.")
            % {"source": found.source},
            field="source",
        )


def _after(task: Task) -> dict[str, Any]:
    """The NICs as read back: [[MAC, network]] now and at the next boot."""
    guest = get_guest(task.connection, task.uuid)
    return {
        "nics": _listed(guest.live),
        "next_boot_nics": _listed(guest.next_boot),
        "waits_for_boot": guest.state.is_active and not task.parameters.get("live"),
    }


def _listed(definition: resources.Definition | None) -> list[list[str]] | None:
    return [[nic.mac, nic.source] for nic in definition.nics] if definition else None


def _has(guest: resources.Guest, parameters: dict[str, Any], mac: object, *, wanted: bool) -> bool | None:
    asked = [(parameters.get("live"), guest.live), (parameters.get("next_boot"), guest.next_boot)]
    found = [
        any(nic.mac == mac for nic in definition.nics) for is_asked, definition in asked if is_asked and definition
    ]
    return all(there == wanted for there in found) if found else None


def _added(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    return _has(guest, parameters, (parameters.get("nic") or {}).get("mac"), wanted=True)


def _removed(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    return _has(guest, parameters, parameters.get("mac"), wanted=False)


def _closed_network(by: AbstractBaseUser, guest: Guest, parameters: dict[str, Any]) -> str:
    nic = parameters.get("nic")
    if isinstance(nic, dict) and may_connect(by, guest, nic.get("kind"), nic.get("source")):
        return ""
    return _("You may connect this guest only to networks of guests that you administrate.")


ADD_NIC = register(
    OperationKind("add_nic", gettext_lazy("Add a NIC"), Action.DEVICES, _add, _added, refusal=_closed_network)
)
CHANGE_NIC = register(
    OperationKind("change_nic", gettext_lazy("Change a NIC"), Action.DEVICES, _change, _added, refusal=_closed_network)
)
REMOVE_NIC = register(
    OperationKind("remove_nic", gettext_lazy("Take out a NIC"), Action.DEVICES, _remove, _removed, cancellable=True)
)
