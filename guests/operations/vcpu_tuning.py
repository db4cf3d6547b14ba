"""How a guest's vCPUs share the host's CPUs, and which processor it sees: weight and cap, pins, topology, model."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.cpu_sets import cpu_set_text, parse_cpu_set
from guests.errors import NotSupported, OperationRefused
from guests.hypervisor import vcpu_tuning as writing
from guests.hypervisor.reading import get_guest
from guests.hypervisor.vcpu_tuning import Scheduling
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.resizing import next_boot_definition, targets
from guests.resources import CPU, Definition

MOST_WEIGHT = 262_144
MOST_CAP_PERCENT = 409_600
MODES = {"", "custom", "host-model", "host-passthrough", "maximum"}
AMOUNTS = {"weight": MOST_WEIGHT, "cap_percent": MOST_CAP_PERCENT, "vcpu_cap_percent": 100}


def pins_of(definition: Definition) -> dict[str, str]:
    """Where each vCPU may run, by its number as text; those that may run anywhere are left out."""
    return {str(pin.vcpu): pin.cpus for pin in definition.tuning.pins if pin.cpus}


def _set_scheduling(task: Task) -> dict[str, Any]:
    live, next_boot = targets(task)
    wanted = Scheduling(**{name: _amount(task, name, most) for name, most in AMOUNTS.items()})
    if wanted == Scheduling():
        raise OperationRefused(_("Nothing was asked for: type a weight or a cap."), field="weight")
    _refuse_weight_of_nothing(wanted)
    before = writing.scheduling(task.connection, task.uuid, live=live)
    for name in AMOUNTS:
        shown, now = task.before.get(name), getattr(before, name)
        if shown is not None and now is not None and shown != now:
            raise OperationRefused(_("This changed since you opened the form: now %(now)s.") % {"now": now}, field=name)
    task.progress.sending()
    if live:  # first: it is what a hypervisor refuses, and then nothing was changed
        writing.set_scheduling(task.connection, task.uuid, wanted, live=True)
    if next_boot:
        writing.set_scheduling(task.connection, task.uuid, wanted, live=False)
    after = writing.scheduling(task.connection, task.uuid, live=live)
    return {
        **{f"from_{name}": getattr(before, name) for name in AMOUNTS},
        **{name: getattr(after, name) for name in AMOUNTS},
        "waits_for_boot": _waits(task, live=live),
    }


def _refuse_weight_of_nothing(wanted: Scheduling) -> None:
    if wanted.weight is not None and wanted.weight < 1:
        raise OperationRefused(_("A weight is at least 1."), field="weight")


def _amount(task: Task, name: str, most: int) -> int | None:
    value = task.parameters.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise OperationRefused(_("This must be a number from 0 to %(most)d.") % {"most": most}, field=name)
    return value


def _pin(task: Task) -> dict[str, Any]:
    if task.connection.driver == "xen":
        raise NotSupported(_("The driver of this host cannot pin vCPUs."))
    live, next_boot = targets(task)
    wanted = _wanted_pins(task)
    emulator = _set_text(task.parameters.get("emulator"), "emulator") if "emulator" in task.parameters else None
    basis = task.guest.live if live and task.guest.live else next_boot_definition(task)
    _refuse_other_pins(task, basis)
    before = _pins_after(task.guest)
    task.progress.sending()
    if live:
        changed = {vcpu: text for vcpu, text in wanted.items() if text != pins_of(basis).get(str(vcpu), "")}
        moves = emulator if emulator != basis.tuning.emulator else None
        writing.pin_vcpus_now(task.connection, task.uuid, changed, moves)
    if next_boot:
        writing.pin_vcpus_at_boot(task.connection, task.uuid, wanted, emulator)
    after = _pins_after(get_guest(task.connection, task.uuid))
    return {"from": before, **after, "waits_for_boot": _waits(task, live=live)}


def _wanted_pins(task: Task) -> dict[int, str]:
    asked = task.parameters.get("pins")
    if not isinstance(asked, dict):
        raise OperationRefused(_("Say where each vCPU may run."))
    most = max(d.vcpus.maximum for d in (task.guest.live, task.guest.next_boot) if d is not None)
    wanted = {}
    for vcpu, text in asked.items():
        if not str(vcpu).isdigit() or int(vcpu) >= most:
            raise OperationRefused(_("This guest has no vCPU %(vcpu)s.") % {"vcpu": vcpu})
        wanted[int(vcpu)] = _set_text(text, f"vcpu_{vcpu}")
    return wanted


def _set_text(text: object, field: str) -> str:
    try:
        return cpu_set_text(parse_cpu_set(str(text or "")))
    except ValueError as error:
        raise OperationRefused(_("Name CPUs of the host like this: 0-3,7."), field=field) from error


def _refuse_other_pins(task: Task, now: Definition) -> None:
    shown = task.before.get("pins")
    if isinstance(shown, dict) and shown != pins_of(now):
        raise OperationRefused(_("The pins changed since you opened the form: look at them again."))


def _pins_after(guest: resources.Guest) -> dict[str, Any]:
    definition = guest.definition
    return {
        "pins": pins_of(definition),
        "emulator": definition.tuning.emulator,
        "next_boot_pins": pins_of(guest.next_boot) if guest.next_boot else None,
    }


def _set_topology(task: Task) -> dict[str, Any]:
    later = next_boot_definition(task)
    counts = [task.parameters.get(name) for name in ("sockets", "cores", "threads")]
    if not all(isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= 4096 for count in counts):
        raise OperationRefused(_("Sockets, cores and threads must be whole numbers."), field="sockets")
    sockets, cores, threads = (int(str(count)) for count in counts)
    if sockets * cores * threads != later.vcpus.maximum and any(counts):
        raise OperationRefused(
            _("Sockets × cores × threads is %(product)d, and must be the maximum of %(maximum)d vCPUs.")
            % {"product": sockets * cores * threads, "maximum": later.vcpus.maximum},
            field="sockets",
        )
    return _set_processor(task, CPU(sockets=sockets, cores=cores, threads=threads), topology=True)


def _set_model(task: Task) -> dict[str, Any]:
    mode, model = task.parameters.get("mode"), task.parameters.get("model", "")
    if mode not in MODES or not isinstance(model, str) or len(model) > 80 or (mode == "custom") != bool(model):
        raise OperationRefused(_("Choose a processor of the list."), field="processor")
    return _set_processor(task, CPU(mode=str(mode), model=model), topology=False)


def _set_processor(task: Task, cpu: CPU, *, topology: bool) -> dict[str, Any]:
    later = next_boot_definition(task)
    if task.connection.driver == "xen":
        raise NotSupported(_("The driver of this host gives its guests the processor of the host."))
    before = processor_values(later.cpu)
    if any(name in task.before and task.before[name] != before[name] for name in before):
        raise OperationRefused(_("This changed since you opened the form."))
    task.progress.sending()
    writing.set_processor(task.connection, task.uuid, cpu, model_too=not topology, topology_too=topology)
    after = next_boot_cpu(get_guest(task.connection, task.uuid))
    return {"from": before, **processor_values(after), "waits_for_boot": task.guest.state.is_active}


def processor_values(cpu: CPU) -> dict[str, Any]:
    """What the forms show of it."""
    return {
        "mode": cpu.mode,
        "model": cpu.model,
        "sockets": cpu.sockets * cpu.dies,
        "cores": cpu.cores,
        "threads": cpu.threads,
    }


def next_boot_cpu(guest: resources.Guest) -> CPU:
    """The processor of the next boot."""
    return (guest.next_boot or guest.definition).cpu


def _waits(task: Task, *, live: bool) -> bool:
    return task.guest.state.is_active and not live


def _pinned(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    wanted = {str(vcpu): text for vcpu, text in (parameters.get("pins") or {}).items() if text}
    asked = [(parameters.get("live"), guest.live), (parameters.get("next_boot"), guest.next_boot)]
    found = [pins_of(definition) == wanted for is_asked, definition in asked if is_asked and definition]
    return all(found) if found else None


def _topology_reached(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    now = processor_values(next_boot_cpu(guest))
    return all(now[name] == parameters.get(name) for name in ("sockets", "cores", "threads"))


def _model_reached(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    now = next_boot_cpu(guest)
    return (now.mode, now.model) == (parameters.get("mode"), parameters.get("model", ""))


SET_SCHEDULING = register(
    OperationKind(
        "set_scheduling",
        gettext_lazy("Set weight and cap"),
        Action.DEVICES,
        _set_scheduling,
        lambda _guest, _parameters: None,  # a definition does not tell what the scheduler goes by now
    )
)
PIN_VCPUS = register(OperationKind("pin_vcpus", gettext_lazy("Pin vCPUs"), Action.DEVICES, _pin, _pinned))
SET_TOPOLOGY = register(
    OperationKind("set_topology", gettext_lazy("Set the topology"), Action.DEVICES, _set_topology, _topology_reached)
)
SET_CPU_MODEL = register(
    OperationKind("set_cpu_model", gettext_lazy("Set the CPU model"), Action.DEVICES, _set_model, _model_reached)
)
