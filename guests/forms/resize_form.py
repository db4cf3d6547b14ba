"""What the forms of memory and vCPUs share: what they showed, what was typed, the plan, and asking for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from guests.access import UNLIMITED, Limits
from guests.forms.resize_plan import ResizePlan, Size, Standing, plan_resize, size_at_boot
from guests.inventory.models import Guest, HostState
from guests.operations import ask, new_key, wait_for_end
from guests.operations.models import Operation, OperationState

WAIT_SECONDS = 2.0
ANSWERING = {HostState.UP, HostState.DEGRADED}


class ResizeForm(forms.Form):
    """A current value of a maximum, live and for the next boot. `guest.host` must be loaded."""

    texts: ClassVar[Mapping[str, str | Promise]] = {}
    unit = "memory"

    keep = forms.BooleanField(required=False)
    force = forms.BooleanField(required=False)
    key = forms.CharField(required=False, max_length=56)
    before_current = forms.IntegerField(required=False, min_value=0)
    before_maximum = forms.IntegerField(required=False, min_value=0)
    before_state = forms.CharField(required=False, max_length=12)

    def __init__(self, data: Any = None, *, guest: Guest, limits: Limits = UNLIMITED, start: int | None = None) -> None:
        """`limits` are those of the person who asks. `start` is the current value that an untouched form begins with:
        where a balloon is on its way to.
        """
        super().__init__(data, prefix=None)
        self.guest = guest
        self.limits = limits
        self.start = start
        self.standing: Standing = self.stand()
        self.fresh_key = new_key()  # a form that is shown again is a new one: with what is known now
        self.forceable = False  # whether the refusal can be overruled by the box

    # What each form says for itself.

    def stand(self) -> Standing:
        """What the guest has, in the form's unit."""
        raise NotImplementedError

    def amount(self, value: int) -> str:
        """A value with its unit, exactly."""
        raise NotImplementedError

    def about(self, value: int) -> str:
        """A value with its unit, as people read it."""
        return self.amount(value)

    def over(self, value: int) -> str:
        """Why a value is more than the person's role may give, or ""."""
        raise NotImplementedError

    def check_limits(self, asked: Size, plan: ResizePlan) -> None:
        """Add the errors that only this form knows."""
        raise NotImplementedError

    def requests(self, plan: ResizePlan) -> list[tuple[str, str, dict[str, Any]]]:
        """(field, kind of operation, parameters), in the order in which they are to be done."""
        raise NotImplementedError

    def named(self, size: Size, prefix: str = "") -> dict[str, Any]:
        """A size under the names that the worker compares."""
        raise NotImplementedError

    # What was typed.

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        asked = self.asked
        self._check_host()
        self._check_unchanged()
        if self.errors or asked is None:
            return cleaned
        plan = plan_resize(self.standing, asked, keep=self.keeps)
        self._check_maximum(asked, plan)
        self._check_role(asked, plan)
        if not self.errors:
            self.check_limits(asked, plan)
        if not self.errors and plan.is_empty:
            self.add_error("current", _("Nothing would change: this is what %(guest)s has.") % self._names)
        return cleaned

    @property
    def asked(self) -> Size | None:
        """What was typed, where it could be read; the standing before anything was typed."""
        shown = self.standing.shown
        if not self.is_bound:
            return shown if self.start is None else Size(self.start, shown.maximum)
        current = self.cleaned_data.get("current")
        maximum = self.cleaned_data.get("maximum")
        if current is None and "current" in self.data:
            return None
        return Size(shown.current if current is None else current, shown.maximum if maximum is None else maximum)

    @property
    def keeps(self) -> bool:
        """Whether the current value is asked for the next boot too."""
        return bool(self.cleaned_data.get("keep")) if self.is_bound else True

    @property
    def _names(self) -> dict[str, str]:
        return {"guest": self.guest.name, "host": self.guest.host.name}

    def _check_host(self) -> None:
        if self.guest.gone_at is not None:
            self.add_error(
                "current", _("%(host)s does not have %(guest)s any more. Nothing was changed.") % self._names
            )
        elif self.guest.host.state not in ANSWERING:
            self.add_error("current", _("%(host)s does not answer. Nothing was changed.") % self._names)

    def _check_unchanged(self) -> None:
        """Refuse what was decided on another state or size than the guest has now."""
        if self.errors:
            return
        state = self.cleaned_data.get("before_state")
        was_active = bool(state) and state not in {"shut-off", "crashed", "unknown"}
        if state and was_active != self.guest.is_active:
            self.add_error("current", self._started_or_stopped() % self._names)
            return
        before = Size(
            self._before("before_current", self.standing.shown.current),
            self._before("before_maximum", self.standing.shown.maximum),
        )
        if not self.standing.is_near(before, self.standing.shown):
            now = {
                "current": self.about(self.standing.shown.current),
                "maximum": self.about(self.standing.shown.maximum),
            }
            self.add_error(
                "current",
                _(
                    "%(guest)s changed since you opened the form: it has %(current)s of %(maximum)s now. "
                    "Nothing was changed; look at the effect again, then send."
                )
                % {**self._names, **now},
            )

    def _started_or_stopped(self) -> str:
        if self.guest.is_active:
            return _(
                "%(guest)s was started since you opened the form. Nothing was changed; look at the effect, then send."
            )
        return _(
            "%(guest)s was shut off since you opened the form. Nothing was changed; look at the effect, then send."
        )

    def _before(self, name: str, otherwise: int) -> int:
        value = self.cleaned_data.get(name)
        return otherwise if value is None else int(value)

    def _check_maximum(self, asked: Size, plan: ResizePlan) -> None:
        """Refuse a current value above its maximum, live or for the next boot."""
        live, boot = self.standing.live, self.standing.next_boot
        names = {**self._names, "maximum": self.amount(asked.maximum)}
        if boot and (self.keeps or live is None) and asked.current > asked.maximum:
            if asked.current == self.standing.shown.current:
                names["current"] = self.amount(asked.current)
                self.add_error("maximum", self.below_current() % names)
            else:
                self.add_error("current", self.above_maximum() % names)
        elif live and asked.current > live.maximum and plan.boot_current is None:
            names["maximum"] = self.amount(live.maximum)
            self.add_error("current", self.above_maximum() % names)

    def _check_role(self, asked: Size, plan: ResizePlan) -> None:
        """Refuse what goes beyond the role: only what would be asked for counts."""
        moves_current = plan.live_current is not None or plan.boot_current is not None
        if moves_current and (refusal := self.over(asked.current)):
            self.add_error("current", refusal)
        if plan.boot_maximum is not None and (refusal := self.over(asked.maximum)):
            self.add_error("maximum", refusal)

    def above_maximum(self) -> str:
        """The sentence at a current value above the maximum."""
        raise NotImplementedError

    def below_current(self) -> str:
        """The sentence at a maximum below the current value."""
        raise NotImplementedError

    @property
    def now_current(self) -> str:
        """What the guest has, with its unit."""
        return self.about(self.standing.shown.current)

    @property
    def now_maximum(self) -> str:
        return self.about(self.standing.live.maximum if self.standing.live else self.standing.shown.maximum)

    # What it would do.

    @cached_property
    def effect(self) -> dict[str, str]:
        """What happens now, at the next boot, and what the button says; in words."""
        asked = self.asked or self.standing.shown
        plan = plan_resize(self.standing, asked, keep=self.keeps)
        gaps = self.gaps(asked)
        button = "button_none"
        if plan.live_current is not None or plan.boot_current is not None:
            button = "button"
        elif plan.boot_maximum is not None:
            button = "button_maximum"
        return {
            "now": self._say(self._now(asked, plan), gaps),
            "boot": self._at_boot(plan, gaps),
            "button": self._say(button, {**gaps, "maximum": self.amount(asked.maximum)}),
        }

    def gaps(self, asked: Size) -> dict[str, str]:
        """What fills the gaps of the sentences about now."""
        live = self.standing.live or self.standing.shown
        return {
            **self._names,
            "before": self.about(live.current),
            "after": self.amount(asked.current),
            "limit": self.about(live.maximum),
        }

    def change_text(self) -> str:
        """Which sentence tells a live change."""
        return "now_change"

    def _now(self, asked: Size, plan: ResizePlan) -> str:
        live = self.standing.live
        if live is None:
            return "now_off"
        if plan.live_current is not None:
            return self.change_text()
        if asked.current == live.current:
            return "now_same"
        if asked.current > live.maximum:
            return "now_over"
        return "now_no_balloon" if self.unit == "memory" else "now_fewer"

    def _at_boot(self, plan: ResizePlan, gaps: dict[str, str]) -> str:
        boot, after = self.standing.next_boot, size_at_boot(self.standing, plan)
        if boot is None or after is None:
            return self._say("boot_none", gaps)
        values = {
            "after": self.amount(after.current),
            "maximum": self.amount(after.maximum),
            "before": self.about(boot.current),
            "before_maximum": self.about(boot.maximum),
        }
        return self._say("boot_same" if after == boot else "boot_change", {**gaps, **values})

    def _say(self, name: str, gaps: dict[str, str]) -> str:
        return str(self.texts[name]).format_map(gaps)

    # Asking.

    def _before_of(self, operations: list[Operation], plan: ResizePlan) -> dict[str, Any]:
        """What the worker must still find when it begins the next operation: what the form showed.

        A button that names an amount ("Try again", "Back to 2.0 GiB") showed no size: a moving balloon is no reason to
        refuse it. A second operation finds what the first one left.
        """
        size = self.standing.live or self.standing.shown
        if "before_current" not in self.data:
            return {"state": self.guest.state, **self.named(size, "from_")}
        if operations and self.standing.live is None and plan.boot_maximum is not None:
            size = Size(min(size.current, plan.boot_maximum), plan.boot_maximum)
        found = {"state": self.guest.state, **self.named(size)}
        if not operations and self.standing.next_boot is not None:
            found |= self.named(self.standing.next_boot, "next_boot_")
        return found

    def submit(self, *, by: AbstractBaseUser, address: str = "", wait_seconds: float = WAIT_SECONDS) -> list[Operation]:
        """Ask for the plan, and wait a moment for its end. What an operation refuses stands at its field."""
        asked = self.asked
        if asked is None:
            raise ValueError("submit() needs a valid form")
        key = self.cleaned_data.get("key") or self.fresh_key
        plan = plan_resize(self.standing, asked, keep=self.keeps)
        operations: list[Operation] = []
        for number, (field, kind, parameters) in enumerate(self.requests(plan)):
            operation = wait_for_end(
                ask(
                    kind,
                    self.guest,
                    by=by,
                    key=f"{key}.{number}" if number else key,
                    parameters=parameters,
                    before=self._before_of(operations, plan),
                    address=address,
                ),
                seconds=wait_seconds,
            )
            operations.append(operation)
            if operation.state in {OperationState.FAILED, OperationState.DENIED, OperationState.UNKNOWN}:
                self.add_error(field, operation.message or _("It failed, and the host did not say why."))
                break
        return operations
