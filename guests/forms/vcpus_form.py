"""Current and maximum vCPUs: more come at once up to the boot-time maximum, fewer with the next boot."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.forms.resize_form import ResizeForm
from guests.forms.resize_plan import ResizePlan, Size, Standing, vcpus_standing
from guests.forms.texts import VCPUS_TEXTS
from guests.operations.kinds import over_vcpus

MOST_VCPUS = 4096  # far above what any driver takes; the driver's own limit is told by the host
ERRORS = {
    "invalid": gettext_lazy("Type a whole number of vCPUs, for example 2."),
    "required": gettext_lazy("Type a whole number of vCPUs, for example 2."),
    "max_value": gettext_lazy("No host can give so many vCPUs."),
}


class VCPUsForm(ResizeForm):
    """`current` and `maximum` are counts."""

    texts = VCPUS_TEXTS
    unit = "vcpus"

    current = forms.IntegerField(max_value=MOST_VCPUS, error_messages=ERRORS, label=gettext_lazy("Current vCPUs"))
    maximum = forms.IntegerField(
        max_value=MOST_VCPUS, required=False, error_messages=ERRORS, label=gettext_lazy("Maximum vCPUs")
    )

    def stand(self) -> Standing:
        return vcpus_standing(self.guest)

    def amount(self, value: int) -> str:
        return str(value)

    def over(self, value: int) -> str:
        return over_vcpus(self.limits, value)

    def clean_current(self) -> int | None:
        return self._count("current")

    def clean_maximum(self) -> int | None:
        return self._count("maximum")

    def _count(self, name: str) -> int | None:
        value: int | None = self.cleaned_data[name]
        if value is not None and value < 0:
            raise forms.ValidationError(_("vCPUs cannot be negative."))
        if value == 0:
            raise forms.ValidationError(_("A guest needs at least one vCPU."))
        return value

    def typed(self, name: str) -> str:
        """What the field shows: what was typed, else what the guest has."""
        if self.is_bound and name in self.data:
            return str(self.data[name])
        shown = self.standing.shown
        return str(shown.current if name == "current" else shown.maximum)

    @property
    def typed_current(self) -> str:
        return self.typed("current")

    @property
    def typed_maximum(self) -> str:
        return self.typed("maximum")

    def above_maximum(self) -> str:
        return _("More than the maximum of %(guest)s, %(maximum)s vCPUs.")

    def below_current(self) -> str:
        return _("Less than the %(current)s vCPUs of %(guest)s: lower those too.")

    def check_limits(self, asked: Size, plan: ResizePlan) -> None:
        live = self.standing.live
        if live and asked.current < live.current and self.standing.next_boot is None:
            self.add_error(
                "current",
                _("%(guest)s is transient: vCPUs are taken away at a boot only, and it has no next one.")
                % {"guest": self.guest.name},
            )
        elif live and asked.current < live.current and not self.keeps:
            self.add_error(
                "current",
                _("vCPUs are taken away at the next boot only: tick “keep for the next boot too”."),
            )

    def requests(self, plan: ResizePlan) -> list[tuple[str, str, dict[str, Any]]]:
        # The maximum first: the next boot's current count may need the room.
        found: list[tuple[str, str, dict[str, Any]]] = []
        if plan.boot_maximum is not None:
            found.append(("maximum", "set_maximum_vcpus", {"count": plan.boot_maximum}))
        current = plan.live_current if plan.live_current is not None else plan.boot_current
        if current is not None:
            parameters = {
                "count": current,
                "live": plan.live_current is not None,
                "next_boot": plan.boot_current is not None,
            }
            found.append(("current", "set_vcpus", parameters))
        return found

    def named(self, size: Size, prefix: str = "") -> dict[str, Any]:
        return {f"{prefix}vcpus_current": size.current, f"{prefix}vcpus_maximum": size.maximum}
