"""What an operation made of several steps, and how each is taken back when a later one fails."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _

from guests.errors import HypervisorError

WayBack = tuple[str, Callable[[], object]]  # what was made, as a person knows it; and the call that takes it away


def take_back(made: list[WayBack]) -> str:
    """Take back what was made, the last first; what came of that, as a sentence."""
    remains = []
    for what, way_back in reversed(made):
        try:
            way_back()
        except HypervisorError:
            remains.append(what)
    if not remains:
        return _("Nothing of it was left on the host.")
    return _("This could not be taken back, and remains on the host: %(what)s.") % {"what": ", ".join(remains)}
