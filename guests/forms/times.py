"""When a change of a device holds: now, from the next boot on, or both."""

from __future__ import annotations

from django.utils.translation import gettext as _

from guests.inventory.models import Guest

NOW_AND_BOOT, BOOT, NOW = "both", "boot", "now"


def times_of(guest: Guest) -> list[tuple[str, str]]:
    """What can be chosen for this guest, the usual first."""
    if not guest.persistent:
        return [(NOW, _("Now; a transient guest has no next boot"))]
    if not guest.is_active:
        return [(BOOT, _("From the next boot on"))]
    return [(NOW_AND_BOOT, _("Now and at the next boot")), (BOOT, _("From the next boot on"))]


def when_parameters(when: str) -> dict[str, bool]:
    """`live` and `next_boot` of an operation."""
    return {"live": when in {NOW, NOW_AND_BOOT}, "next_boot": when in {BOOT, NOW_AND_BOOT}}
