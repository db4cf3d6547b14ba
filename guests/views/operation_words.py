"""Operations in words: what was asked, from what to what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.forms.amounts import exact_text
from guests.forms.plugged_memory_forms import MODEL_WORDS
from guests.operations.host_kinds import HostOperationKind, kind_of
from guests.operations.models import Operation
from guests.templatetags.guesthouse import lasting
from guests.units import memory_text, rate_number, size_text

MEMORY_BEFORE = {
    "set_current_memory": "current_kib",
    "set_maximum_memory": "maximum_kib",
    "request_memory": "requested_kib",
}
NEXT_BOOT_ONLY = {
    "set_maximum_memory",
    "set_maximum_vcpus",
    "add_serial_console",
    "set_host_log",
    "add_graphics",
    "keep_graphics_inside",
    "define",
    "set_topology",
    "set_cpu_model",
    "make_memory_room",
    "take_memory_room",
}
SENDING = {"migrate", "save", "make_volume", "clone_volume", "clone_guest"}  # kinds whose progress is in bytes
NAMED = {"clone_guest", "take_snapshot", "revert_to_snapshot", "delete_snapshot"}
DISK_KINDS = {"add_disk", "remove_disk", "grow_disk", "change_medium", "eject"}
NOW_OR_LATER = {
    *("set_current_memory", "set_vcpus", "add_disk", "remove_disk", "change_medium", "eject"),
    *("set_scheduling", "pin_vcpus", "plug_memory", "request_memory", "unplug_memory"),
}
TUNING_KINDS = {"set_scheduling", "pin_vcpus", "set_topology", "set_cpu_model"}
AMOUNTS = {
    "weight": gettext_lazy("Weight"),
    "cap_percent": gettext_lazy("Cap, % of one CPU"),
    "vcpu_cap_percent": gettext_lazy("Cap of each vCPU, % of one CPU"),
}
PLUGGED_KINDS = {"plug_memory", "unplug_memory", "make_memory_room", "take_memory_room"}
VCPUS_BEFORE = {"set_vcpus": "vcpus_current", "set_maximum_vcpus": "vcpus_maximum"}


@dataclass(frozen=True, slots=True)
class OperationLine:
    """One operation as a list shows it. `before` and `wanted` are "" where a kind has no value."""

    operation: Operation
    label: str
    before: str
    wanted: str
    where: str  # now, at next boot, or both; "" where there is no difference
    forced: bool
    percent: int | None  # how far it came, while it moves
    course: str  # the same in words, with rate and time left: of what is sent
    cancellable: bool
    took: timedelta | None  # from its start to its end
    made: str  # where the guest is that came of it


def describe(operation: Operation) -> OperationLine:
    """An operation's row in words."""
    kind = kind_of(operation)
    before, wanted = _values(operation)
    return OperationLine(
        operation=operation,
        label=str(kind.label) if kind else operation.kind,
        before=before,
        wanted=wanted,
        where=_where(operation),
        forced=bool(operation.parameters.get("force")),
        percent=progress_percent(operation),
        course=_course(operation),
        cancellable=bool(kind and kind.cancellable and not operation.is_over and not operation.cancel_asked),
        took=operation.ended_at - operation.started_at if operation.ended_at and operation.started_at else None,
        made=_made(operation),
    )


def _made(operation: Operation) -> str:
    made = operation.after.get("guest") if operation.kind == "clone_guest" else None
    return reverse("guests:detail", args=[made]) if made else ""


def progress_percent(operation: Operation) -> int | None:
    """0 to 100 while it moves, None where nothing was told."""
    if operation.is_over or not operation.progress_total or operation.progress_done is None:
        return None
    return round(100 * min(1.0, max(0.0, operation.progress_done / operation.progress_total)))


def _course(operation: Operation) -> str:
    """How far an operation that sends bytes came: "1.2 GiB of 3.0 GiB, 120 MiB/s, 15 s left"."""
    done, total, rate = operation.progress_done, operation.progress_total, operation.progress_rate
    if operation.is_over or operation.kind not in SENDING or done is None or not total:
        return ""
    words = [_("%(done)s of %(total)s") % {"done": size_text(done), "total": size_text(total)}]
    if rate:
        number, unit = rate_number(rate)
        words.append(f"{number} {unit}")
        words.append(_("%(time)s left") % {"time": lasting(timedelta(seconds=max(0, total - done) / rate))})
    return ", ".join(words)


def _values(operation: Operation) -> tuple[str, str]:
    if isinstance(kind := kind_of(operation), HostOperationKind):
        return "", kind.words(operation.parameters)
    if isinstance(to := operation.parameters.get("to"), str):
        return str(operation.before.get("host", "")), to
    if operation.kind in PLUGGED_KINDS:
        return _plugged(operation)
    kib, count = operation.parameters.get("kib"), operation.parameters.get("count")
    if isinstance(kib, int):
        before = _seen(operation, MEMORY_BEFORE)
        return (exact_text(before) if isinstance(before, int) else ""), exact_text(kib)
    if isinstance(count, int):
        before = _seen(operation, VCPUS_BEFORE)
        return (str(before) if isinstance(before, int) else ""), str(count)
    if operation.kind in DISK_KINDS:
        return _of_disk(operation)
    if operation.kind in TUNING_KINDS:
        was = {name.removeprefix("from_"): value for name, value in operation.after.items() if name.startswith("from_")}
        return _tuned(operation.before | was), _tuned(operation.parameters)
    if operation.kind in NAMED:
        return "", str(operation.parameters.get("name", ""))
    return "", ""


def _tuned(values: dict[str, Any]) -> str:
    """Weight and caps, pins by vCPU, a topology or a processor: those that are there."""
    words = [f"{label} {values[name]}" for name, label in AMOUNTS.items() if values.get(name) is not None]
    if isinstance(pins := values.get("pins"), dict):
        words += [f"vCPU {vcpu}: {cpus}" for vcpu, cpus in sorted(pins.items(), key=lambda pin: int(pin[0])) if cpus]
    if values.get("sockets"):
        words.append(" × ".join(str(values.get(name)) for name in ("sockets", "cores", "threads")))
    if processor := values.get("model") or values.get("mode"):
        words.append(str(processor))
    return ", ".join(words)


def _plugged(operation: Operation) -> tuple[str, str]:
    """A memory device by its kind, size and name, or the room for them."""
    asked, kib = operation.parameters, operation.parameters.get("kib")
    if operation.kind in {"make_memory_room", "take_memory_room"}:
        return _room(operation.before), _room(asked)
    if not isinstance(kib, int):
        size = operation.before.get("size_kib")
        return "", " ".join(
            filter(None, [str(asked.get("name", "")), exact_text(size) if isinstance(size, int) else ""])
        )
    words = f"{MODEL_WORDS.get(asked.get('model', ''), '')} {exact_text(kib)}"
    if isinstance(requested := asked.get("requested_kib"), int) and requested != kib:
        words = _("%(device)s, %(requested)s of it") % {"device": words, "requested": memory_text(requested)}
    return "", words


def _room(values: dict[str, Any]) -> str:
    if not values.get("ceiling_kib"):
        return ""
    return _("%(ceiling)s, %(slots)d slots") % {"ceiling": exact_text(values["ceiling_kib"]), "slots": values["slots"]}


def _of_disk(operation: Operation) -> tuple[str, str]:
    """A size, else the volume, else which disk."""
    asked, before = operation.parameters, operation.before.get("bytes")
    if isinstance(asked.get("bytes"), int):
        return (size_text(before) if isinstance(before, int) else ""), size_text(asked["bytes"])
    volume = "/".join(str(asked[name]) for name in ("pool_name", "volume") if asked.get(name))
    return "", volume or str(asked.get("target", ""))


def _seen(operation: Operation, names: dict[str, str]) -> Any:
    """What the form showed, for what is changed: the next boot's value where only that is."""
    name = names.get(operation.kind, "")
    only_boot = operation.kind.startswith("set_maximum") or not operation.parameters.get("live")
    candidates = [f"next_boot_{name}"] if only_boot else []
    found = (operation.before.get(candidate) for candidate in [*candidates, name, f"from_{name}"])
    return next((value for value in found if value is not None), None)


def _where(operation: Operation) -> str:
    if operation.kind in NEXT_BOOT_ONLY:
        return _("at next boot")
    if operation.kind not in NOW_OR_LATER:
        return ""
    live, boot = operation.parameters.get("live"), operation.parameters.get("next_boot")
    if live and not boot:
        return _("until next boot")
    return _("at next boot") if boot and not live else ""
