"""Current and maximum memory, typed in units that people use, checked against the guest and its host."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.forms.amounts import UNITS, Unreadable, UnreadableAmount, about_text, exact_amount, exact_text, parse_amount
from guests.forms.resize_form import ResizeForm
from guests.forms.resize_plan import ResizePlan, Size, Standing, memory_standing
from guests.forms.texts import MEMORY_TEXTS
from guests.operations.kinds import over_memory
from guests.units import KIB_PER_MIB, memory_text

UNIT_CHOICES = [(unit, unit) for unit in ("GiB", "MiB", "KiB")]
SUGGESTION_KIB = 16 * KIB_PER_MIB  # "ask for … or more" is rounded up to this

UNREADABLE = {
    Unreadable.TEXT: gettext_lazy("Type a number with MiB or GiB, for example 512 MiB or 1.5 GiB."),
    Unreadable.ZERO: gettext_lazy("A guest needs some memory: 0 is not possible."),
    Unreadable.NEGATIVE: gettext_lazy("Memory cannot be negative."),
    Unreadable.AMBIGUOUS: gettext_lazy("Write thousands without a separator, and fractions with one or two digits."),
}


class MemoryForm(ResizeForm):
    """`current` and `maximum` are texts with a unit; cleaned, they are KiB."""

    texts = MEMORY_TEXTS
    unit = "memory"

    current = forms.CharField(max_length=40, label=gettext_lazy("Current memory"))
    current_unit = forms.ChoiceField(choices=UNIT_CHOICES, required=False)
    maximum = forms.CharField(max_length=40, required=False, label=gettext_lazy("Maximum memory"))
    maximum_unit = forms.ChoiceField(choices=UNIT_CHOICES, required=False)

    def stand(self) -> Standing:
        return memory_standing(self.guest)

    def amount(self, value: int) -> str:
        return exact_text(value)

    def about(self, value: int) -> str:
        return about_text(value)

    def over(self, value: int) -> str:
        return over_memory(self.limits, value)

    def clean_current(self) -> int | None:
        return self._kib("current")

    def clean_maximum(self) -> int | None:
        return self._kib("maximum") if self.cleaned_data["maximum"] else None

    def _kib(self, name: str) -> int | None:
        unit = self.data.get(f"{name}_unit", "MiB")
        try:
            return parse_amount(self.cleaned_data[name], unit if unit in UNITS else "MiB")
        except UnreadableAmount as error:
            raise forms.ValidationError(UNREADABLE[error.reason]) from error

    def typed(self, name: str) -> tuple[str, str]:
        """Number and unit as the field shows them: what was typed, else what the guest has."""
        if self.is_bound and name in self.data:
            return self.data[name], self.data.get(f"{name}_unit", "MiB")
        shown = self.standing.shown
        current = shown.current if self.start is None else self.start
        return exact_amount(current if name == "current" else shown.maximum)

    @property
    def typed_current(self) -> tuple[str, str]:
        return self.typed("current")

    @property
    def typed_maximum(self) -> tuple[str, str]:
        return self.typed("maximum")

    @property
    def units(self) -> list[str]:
        """The units to choose from; KiB only where it is needed to be exact."""
        shown = {self.typed_current[1], self.typed_maximum[1]}
        return [unit for unit, _label in UNIT_CHOICES if unit != "KiB" or unit in shown]

    def above_maximum(self) -> str:
        return _("More than the maximum memory of %(guest)s, %(maximum)s.")

    def below_current(self) -> str:
        return _("Less than the current memory of %(guest)s, %(current)s: lower that too.")

    def gaps(self, asked: Size) -> dict[str, str]:
        free = self._free_after(asked.current)
        return {**super().gaps(asked), "free": "" if free is None else memory_text(max(0, free))}

    def change_text(self) -> str:
        return "now_change" if self.guest.host.free_memory_kib is None else "now_change_free"

    def _free_after(self, current_kib: int) -> int | None:
        free = self.guest.host.free_memory_kib
        return None if free is None else free - (current_kib - self.standing.shown.current)

    def check_limits(self, asked: Size, plan: ResizePlan) -> None:
        """More than the host has, less than the guest uses, more than is free."""
        names: dict[str, str] = {"guest": self.guest.name, "host": self.guest.host.name}
        total = self.guest.host.memory_kib
        if total is not None and asked.current > total:
            self.add_error("current", _("%(host)s has %(total)s in all.") % {**names, "total": memory_text(total)})
        if total is not None and plan.boot_maximum is not None and asked.maximum > total:
            self.add_error("maximum", _("%(host)s has %(total)s in all.") % {**names, "total": memory_text(total)})
        if self.errors or plan.live_current is None:
            return
        self._check_used(plan.live_current, names)
        self._check_free(plan.live_current, names)

    def _check_used(self, kib: int, names: dict[str, str]) -> None:
        used = self.guest.used_kib
        if used is None or kib >= used:
            return
        self.forceable = True
        if not self.cleaned_data.get("force"):
            least = -(-used // SUGGESTION_KIB) * SUGGESTION_KIB
            self.add_error(
                "current",
                _(
                    "%(guest)s uses %(used)s. Below that it may swap or kill programs. "
                    "Ask for %(least)s or more, or tick the box below."
                )
                % {**names, "used": memory_text(used), "least": exact_text(least)},
            )

    def _check_free(self, kib: int, names: dict[str, str]) -> None:
        free = self._free_after(kib)
        if free is None or free >= 0 or kib <= self.standing.shown.current:
            return
        self.forceable = True
        if not self.cleaned_data.get("force"):
            values = {"free": memory_text(self.guest.host.free_memory_kib or 0)}
            self.add_error(
                "current",
                _(
                    "%(host)s has %(free)s free, less than this adds: its guests may get slow. "
                    "Ask for less, or tick the box below."
                )
                % {**names, **values},
            )

    def requests(self, plan: ResizePlan) -> list[tuple[str, str, dict[str, Any]]]:
        # The maximum first: the next boot's current memory may need the room.
        found: list[tuple[str, str, dict[str, Any]]] = []
        if plan.boot_maximum is not None:
            found.append(("maximum", "set_maximum_memory", {"kib": plan.boot_maximum}))
        current = plan.live_current if plan.live_current is not None else plan.boot_current
        if current is not None:
            parameters = {
                "kib": current,
                "live": plan.live_current is not None,
                "next_boot": plan.boot_current is not None,
                "force": bool(self.cleaned_data.get("force")),
            }
            found.append(("current", "set_current_memory", parameters))
        return found

    def named(self, size: Size, prefix: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {f"{prefix}current_kib": size.current, f"{prefix}maximum_kib": size.maximum}
        return found if prefix else {**found, "usable_kib": self.guest.usable_kib}
