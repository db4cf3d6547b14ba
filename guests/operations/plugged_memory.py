"""Memory beyond the maximum: DIMMs and virtio-mem, plugged in, changed and taken out. What a running guest was asked
for is done when the guest says so, never when the call returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.errors import NotSupported, OperationRefused
from guests.hypervisor import memory_devices as writing
from guests.hypervisor.reading import get_guest
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.memory_arriving import seen_by_guest, wait_until_seen, wait_until_taken
from guests.operations.memory_rules import (
    BLOCK_KIB,
    MODELS,
    beyond_role,
    device_named,
    is_name,
    why_it_does_not_fit,
    why_not_requested,
)
from guests.operations.resizing import live_definition, refuse_over_host_memory, targets, whole_number
from guests.operations.unplugging import wait_until_gone
from guests.resources import Definition, MemoryDevice
from guests.units import memory_text


def _plug(task: Task) -> dict[str, Any]:
    live, next_boot = targets(task)
    device = _wanted(task)
    for definition in _definitions(task, live=live, next_boot=next_boot):
        if refusal := why_it_does_not_fit(definition.hotplug, definition.memory.maximum_kib, device.size_kib):
            raise OperationRefused(refusal, field="size")
        refuse_over_host_memory(task, definition.memory.maximum_kib + device.size_kib, "size")
    seen = seen_by_guest(task) if live and live_definition(task).stats_period_s else None
    task.progress.sending()
    if live:  # first: it is what a hypervisor refuses, and then nothing was changed
        writing.plug_in(task.connection, task.uuid, device, live=True)
    if next_boot:
        writing.plug_in(task.connection, task.uuid, device, live=False)
    if live and device.in_parts:
        wait_until_taken(task, device.name, 0, device.requested_kib)
    elif live and seen is not None:
        wait_until_seen(task, seen, device.size_kib)
    return _after(task, device.name)


def _wanted(task: Task) -> MemoryDevice:
    model, name = task.parameters.get("model"), task.parameters.get("name")
    kib, requested = whole_number(task.parameters, "kib", "size"), task.parameters.get("requested_kib", 0)
    if task.connection.driver == "xen":
        raise NotSupported(_("The driver of this host cannot plug in memory."))
    if model not in MODELS:
        raise OperationRefused(_("Choose a DIMM or virtio-mem."), field="model")
    if not is_name(name):
        raise OperationRefused(_("Say how the memory device is to be called."))
    if model == "dimm":
        return MemoryDevice(name=str(name), model=model, size_kib=kib)
    device = MemoryDevice(name=str(name), model="virtio-mem", size_kib=kib, block_kib=BLOCK_KIB)
    if not isinstance(requested, int) or isinstance(requested, bool):
        raise OperationRefused(_("This must be a number."), field="requested")
    if refusal := why_not_requested(device, requested):
        raise OperationRefused(refusal, field="requested")
    return MemoryDevice(name=str(name), model="virtio-mem", size_kib=kib, block_kib=BLOCK_KIB, requested_kib=requested)


def _request(task: Task) -> dict[str, Any]:
    """More or less of a virtio-mem device."""
    live, next_boot = targets(task)
    kib = task.parameters.get("kib")
    if not isinstance(kib, int) or isinstance(kib, bool):
        raise OperationRefused(_("This must be a number."), field="requested")
    found = [(d, _device(task, d)) for d in _definitions(task, live=live, next_boot=next_boot)]
    for definition, device in found:
        if not device.in_parts:
            raise OperationRefused(_("Only virtio-mem is given in parts."))
        if refusal := why_not_requested(device, kib):
            raise OperationRefused(refusal, field="requested")
        if kib > device.requested_kib:
            more = definition.memory.maximum_kib - definition.hotplug.idle_kib + kib - device.held_kib
            refuse_over_host_memory(task, more, "requested")
    _refuse_if_changed(task, found[0][1])
    name, began = found[0][1].name, found[0][1].held_kib
    task.progress.sending()
    if live:
        writing.request(task.connection, task.uuid, name, kib, live=True)
    if next_boot:
        writing.request(task.connection, task.uuid, name, kib, live=False)
    if live:
        wait_until_taken(task, name, began, kib)
    return _after(task, name)


def _unplug(task: Task) -> dict[str, Any]:
    """Live, the guest has to let go of it: waited for, at most `UNPLUG_SECONDS`."""
    live, next_boot = targets(task)
    name = _name(task)
    now = device_named(live_definition(task), name) if live else None
    later = device_named(task.guest.next_boot, name) if next_boot and task.guest.next_boot else None
    device = now or later
    if device is None:
        raise OperationRefused(_("This guest has no memory device %(name)s (any more).") % {"name": name})
    _refuse_if_changed(task, device)
    if now is not None and now.in_parts and (now.requested_kib or now.held_kib):
        raise OperationRefused(
            _("The guest has %(held)s of it: ask for 0 MiB first, then it can be taken out.")
            % {"held": memory_text(now.held_kib)}
        )
    task.progress.sending()
    if later is not None:
        writing.take_out(task.connection, task.uuid, name, live=False)
    waits = (
        task.guest.state.is_active
        if now is None
        else _take_out_now(task, name, "" if later is None else _("Its next boot is without it."))
    )
    return {**_after(task, name), "waits_for_boot": waits}


def _take_out_now(task: Task, name: str, later: str) -> bool:
    """Until the guest let go of it; whether that is to be at the next boot only."""
    refused = _("%(guest)s cannot let go of this memory now: it uses it for what cannot be moved.")
    try:
        is_asked = writing.take_out(task.connection, task.uuid, name, live=True)
    except NotSupported:
        if not later:
            raise
        return True
    if not is_asked:
        raise OperationRefused(f"{refused} {later}".strip() % {"guest": task.guest.name})
    wait_until_gone(
        task,
        name,
        device_named,
        cancelled=_("Nobody waits for it any more. The guest may still let go of the memory."),
        refused=f"{refused} {later}".strip(),
        kept=f"{_('Asked for; %(guest)s has not let go of the memory within %(seconds)d s.')} {later}".strip(),
    )
    return False


def _definitions(task: Task, *, live: bool, next_boot: bool) -> list[Definition]:
    asked = [live_definition(task)] if live else []
    return [*asked, task.guest.next_boot] if next_boot and task.guest.next_boot else asked


def _name(task: Task) -> str:
    name = task.parameters.get("name")
    if not isinstance(name, str) or not name:
        raise OperationRefused(_("Say which memory device."))
    return name


def _device(task: Task, definition: Definition) -> MemoryDevice:
    found = device_named(definition, _name(task))
    if found is None:
        raise OperationRefused(
            _("This guest has no memory device %(name)s (any more).") % {"name": task.parameters.get("name")}
        )
    return found


def _refuse_if_changed(task: Task, device: MemoryDevice) -> None:
    """`before`: size and request of this device as the form showed them."""
    for name, now in (("size_kib", device.size_kib), ("requested_kib", device.requested_kib)):
        if name in task.before and task.before[name] != now:
            raise OperationRefused(
                _("This changed since you opened the form: now %(amount)s.") % {"amount": memory_text(now)},
                field="requested",
            )


def _after(task: Task, name: str) -> dict[str, Any]:
    """The device as read back: [size, requested, taken] now and at the next boot, None where it is not."""
    guest = get_guest(task.connection, task.uuid)
    return {
        "device": _listed(guest.live, name),
        "next_boot_device": _listed(guest.next_boot, name),
        "maximum_kib": guest.definition.memory.maximum_kib,
        "waits_for_boot": guest.state.is_active and not task.parameters.get("live"),
    }


def _listed(definition: Definition | None, name: str) -> list[int | None] | None:
    found = device_named(definition, name) if definition else None
    return [found.size_kib, found.requested_kib, found.taken_kib] if found else None


def _as_asked(
    guest: resources.Guest, parameters: dict[str, Any], holds: Callable[[MemoryDevice | None], bool]
) -> bool | None:
    asked = [(parameters.get("live"), guest.live), (parameters.get("next_boot"), guest.next_boot)]
    found = [device_named(d, str(parameters.get("name"))) for is_asked, d in asked if is_asked and d]
    return all(holds(device) for device in found) if found else None


def _plugged(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    return _as_asked(guest, parameters, lambda device: device is not None)


def _requested(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    kib = parameters.get("kib")
    return _as_asked(guest, parameters, lambda device: device is not None and device.requested_kib == kib)


def _unplugged(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    return _as_asked(guest, parameters, lambda device: device is None)


PLUG_MEMORY = register(
    OperationKind(
        "plug_memory",
        gettext_lazy("Plug in memory"),
        Action.RESIZE,
        _plug,
        _plugged,
        refusal=beyond_role,
        cancellable=True,
    )
)
REQUEST_MEMORY = register(
    OperationKind(
        "request_memory",
        gettext_lazy("Change plugged-in memory"),
        Action.RESIZE,
        _request,
        _requested,
        refusal=beyond_role,
        cancellable=True,
    )
)
UNPLUG_MEMORY = register(
    OperationKind(
        "unplug_memory", gettext_lazy("Take out memory"), Action.RESIZE, _unplug, _unplugged, cancellable=True
    )
)
