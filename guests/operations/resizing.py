"""What memory and vCPU operations have in common: parameters, and what changed since the form was opened."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from guests import resources
from guests.errors import OperationRefused
from guests.operations.kinds import Task
from guests.units import memory_text

# A balloon moves by pages; a difference below this is none that a person made.
SLACK_KIB = 1024


def whole_number(parameters: dict[str, Any], name: str, field: str) -> int:
    """A parameter that must be a whole number above zero; refused at `field` otherwise."""
    value = parameters.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise OperationRefused(_("This must be a number."), field=field)
    if value <= 0:
        raise OperationRefused(_("This must be more than 0."), field=field)
    return value


def targets(task: Task) -> tuple[bool, bool]:
    """Whether to change what runs, and what the next boot takes. Refused where the guest lacks what was named."""
    live, next_boot = bool(task.parameters.get("live")), bool(task.parameters.get("next_boot"))
    if not live and not next_boot:
        raise OperationRefused(_("Say whether this is for now, for the next boot, or both."))
    if live:
        live_definition(task)
    if next_boot:
        next_boot_definition(task)
    return live, next_boot


def live_definition(task: Task) -> resources.Definition:
    """What runs now; refused for a guest that does not run."""
    if task.guest.live is None or not task.guest.state.is_active:
        raise OperationRefused(
            _("%(guest)s does not run (any more): only its next boot can be changed.") % {"guest": task.guest.name}
        )
    return task.guest.live


def next_boot_definition(task: Task) -> resources.Definition:
    """What the next boot takes; refused for a transient guest."""
    if task.guest.next_boot is None:
        raise OperationRefused(
            _("%(guest)s is transient: it has no next boot that could be changed.") % {"guest": task.guest.name}
        )
    return task.guest.next_boot


def refuse_if_changed(task: Task) -> None:
    """Refuse what was asked of a guest that is no longer what the form showed (`before`)."""
    before, guest = task.before, task.guest
    if "state" in before:
        was_active = resources.GuestState(before["state"]).is_active
        if was_active and not guest.state.is_active:
            raise OperationRefused(
                _("%(guest)s was shut off since you opened the form: nothing was changed.") % {"guest": guest.name}
            )
        if not was_active and guest.state.is_active:
            raise OperationRefused(
                _("%(guest)s was started since you opened the form: nothing was changed.") % {"guest": guest.name}
            )
    now, later = guest.definition, guest.next_boot
    for name, value, field in (
        ("current_kib", now.memory.current_kib, "current"),
        ("maximum_kib", now.memory.maximum_kib, "maximum"),
        ("next_boot_current_kib", later.memory.current_kib if later else None, "current"),
        ("next_boot_maximum_kib", later.memory.maximum_kib if later else None, "maximum"),
    ):
        shown = before.get(name)
        if shown is not None and value is not None and abs(value - shown) >= SLACK_KIB:
            raise OperationRefused(
                _("This changed since you opened the form: now %(amount)s.") % {"amount": memory_text(value)},
                field=field,
            )
    for name, value, field in (
        ("vcpus_current", now.vcpus.current, "count"),
        ("vcpus_maximum", now.vcpus.maximum, "maximum"),
        ("next_boot_vcpus_current", later.vcpus.current if later else None, "count"),
        ("next_boot_vcpus_maximum", later.vcpus.maximum if later else None, "maximum"),
    ):
        shown = before.get(name)
        if shown is not None and value is not None and value != shown:
            raise OperationRefused(
                _("This changed since you opened the form: now %(count)d vCPUs.") % {"count": value}, field=field
            )


def refuse_over_host_memory(task: Task, kib: int, field: str) -> None:
    """No guest can have more than its host has."""
    most = task.row.host.memory_kib
    if most and kib > most:
        raise OperationRefused(
            _("The host has %(amount)s of memory: no guest can have more.") % {"amount": memory_text(most)}, field=field
        )
