"""The sentence above a status page: what is wrong, in the order of what matters."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.status.shown import ShownPage
from guests.resources import GuestState

_PAUSED = (GuestState.PAUSED, GuestState.PMSUSPENDED)
_RUNNING = (GuestState.RUNNING, GuestState.IDLE)


@dataclass(frozen=True, slots=True)
class Summary:
    """`mark` is good, unsure or bad; `sentence` says what is the matter, `detail` how many run."""

    mark: str
    sentence: str
    detail: str


def summary_of(page: ShownPage) -> Summary:
    """Of the guests on the page, and of nothing else."""
    total, running = len(page.guests), page.count(*_RUNNING)
    crashed, unknown = page.count(GuestState.CRASHED), page.count(GuestState.UNKNOWN)
    off, paused = page.count(GuestState.SHUT_OFF, GuestState.IN_SHUTDOWN), page.count(*_PAUSED)
    parts = []
    if crashed:
        parts.append(ngettext("%(n)d has crashed", "%(n)d have crashed", crashed) % {"n": crashed})
    if unknown:
        parts.append(ngettext("%(n)d does not answer", "%(n)d do not answer", unknown) % {"n": unknown})
    if paused:
        parts.append(ngettext("%(n)d is paused", "%(n)d are paused", paused) % {"n": paused})
    if off:
        parts.append(ngettext("%(n)d is shut off", "%(n)d are shut off", off) % {"n": off})
    detail = _("%(running)d of %(total)d run") % {"running": running, "total": total}
    if not total:
        return Summary("unsure", _("No guest is on this page yet"), "")
    if not parts:
        return Summary("good", _("Everything runs"), detail)
    return Summary(
        "bad" if crashed else "unsure", _("Of the guests here, %(what)s") % {"what": ", ".join(parts)}, detail
    )
