"""What the memory card shows: the bar with its scale, and where the last resize stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guests.forms.amounts import about_text, exact_amount, exact_text
from guests.forms.resize_plan import Standing, memory_standing
from guests.inventory.models import Guest
from guests.operations.models import Operation, OperationState
from guests.templatetags.measures import memory_amount
from guests.units import KIB_PER_GIB, KIB_PER_MIB

SCALE_STEPS = 4


@dataclass(frozen=True, slots=True)
class Arrival:
    """A balloon on its way, or one that did not come. KiB; `back` is what a field needs to ask for the old size."""

    operation: Operation
    start_kib: int
    now_kib: int
    target_kib: int
    reached: str
    target: str
    percent: int
    again: tuple[str, str]
    back: tuple[str, str]


@dataclass(frozen=True, slots=True)
class MemoryCard:
    """The figures of one guest's memory. `used_percent` is of the current memory."""

    standing: Standing
    unit: str
    used: str | None
    used_percent: int | None
    current: str
    maximum: str
    scale: list[str]
    arriving: Arrival | None
    not_reached: Arrival | None
    pending_by: Operation | None

    @property
    def asked_kib(self) -> int | None:
        """Where the balloon is going."""
        return self.arriving.target_kib if self.arriving else None


def memory_card(guest: Guest, recent: Sequence[Operation]) -> MemoryCard:
    """The card, from the inventory and the guest's last operations (newest first)."""
    unit_kib, unit = (KIB_PER_GIB, "GiB") if guest.maximum_kib >= KIB_PER_GIB else (KIB_PER_MIB, "MiB")
    used = guest.used_kib
    last = next((o for o in recent if o.kind == "set_current_memory" and o.parameters.get("live")), None)
    standing = memory_standing(guest)
    return MemoryCard(
        standing=standing,
        unit=unit,
        used=None if used is None else memory_amount(used, unit_kib),
        used_percent=None if used is None else round(100 * used / max(1, guest.current_kib)),
        current=memory_amount(guest.current_kib, unit_kib),
        maximum=memory_amount(guest.maximum_kib, unit_kib),
        scale=[
            "0",
            *(memory_amount(guest.maximum_kib * step // SCALE_STEPS, unit_kib) for step in range(1, SCALE_STEPS + 1)),
        ],
        arriving=_arrival(guest, last) if last and not last.is_over and guest.is_active else None,
        not_reached=_arrival(guest, last) if last and _was_not_reached(guest, last) else None,
        pending_by=_pending_by(recent, {"set_maximum_memory", "set_current_memory"}) if standing.is_pending else None,
    )


def _arrival(guest: Guest, operation: Operation) -> Arrival:
    target = int(operation.parameters["kib"])
    start = operation.before.get("current_kib", operation.before.get("from_current_kib"))
    start = guest.current_kib if start is None else int(start)
    now = guest.current_kib if guest.balloon_kib is None else guest.balloon_kib
    way = target - start
    return Arrival(
        operation=operation,
        start_kib=start,
        now_kib=now,
        target_kib=target,
        reached=about_text(now),
        target=exact_text(target),
        percent=round(100 * min(1.0, max(0.0, (now - start) / way))) if way else 100,
        again=exact_amount(target),
        back=exact_amount(start),
    )


def _was_not_reached(guest: Guest, operation: Operation) -> bool:
    """Whether libvirt took the target, the guest did not follow, and nothing was asked or booted since."""
    return (
        operation.state == OperationState.FAILED
        and operation.progress_total is not None
        and not operation.cancel_asked
        and guest.is_active
        and guest.current_kib != operation.parameters.get("kib")
        and (guest.state_since is None or operation.ended_at is None or guest.state_since < operation.ended_at)
    )


def _pending_by(recent: Sequence[Operation], kinds: set[str]) -> Operation | None:
    return next((o for o in recent if o.kind in kinds and o.state == OperationState.DONE), None)
