"""Which power acts fit a guest's state, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from guests.inventory.models import Guest
from guests.resources import GuestState

PowerKind = Literal[
    "start", "start_paused", "save", "discard_saved", "shut_down", "pause", "resume", "reboot", "reset", "force_off"
]


@dataclass(frozen=True, slots=True)
class Act:
    """One button."""

    kind: str
    label: str | Promise
    icon: str


ACTS: Mapping[str, Act] = {
    act.kind: act
    for act in (
        Act("start", _("Start"), "player-play"),
        Act("start_paused", _("Start paused"), "player-pause"),
        Act("save", _("Save to disk"), "arrow-down"),
        Act("discard_saved", _("Discard what was saved"), "x"),
        Act("shut_down", _("Shut down"), "power"),
        Act("pause", _("Pause"), "player-pause"),
        Act("resume", _("Resume"), "player-play"),
        Act("reboot", _("Reboot"), "rotate"),
        Act("reset", _("Reset"), "bolt"),
        Act("force_off", _("Force off"), "player-stop"),
    )
}
RUNS = ("shut_down", "pause", "reboot", "reset", "save", "force_off")
OFF = ("start", "start_paused")
# The one with a button of its own in the list first.
FITTING: Mapping[str, tuple[str, ...]] = {
    GuestState.RUNNING: RUNS,
    GuestState.IDLE: RUNS,
    GuestState.IN_SHUTDOWN: ("reset", "force_off"),
    GuestState.PAUSED: ("resume", "reset", "save", "force_off"),
    GuestState.PMSUSPENDED: ("force_off",),
    GuestState.SHUT_OFF: OFF,
    GuestState.CRASHED: OFF,
}


RESTORE = Act("start", _("Restore"), "player-play")  # what starting is called where memory was saved


def fitting_acts(guest: Guest) -> tuple[str, ...]:
    """What can be asked in the guest's state. Nothing of Domain-0: it is the host."""
    if guest.privileged or guest.gone_at is not None:
        return ()
    acts = tuple(act for act in FITTING.get(guest.state, ()) if act != "save" or guest.persistent)
    return (*acts, "discard_saved") if guest.saved and not guest.is_active else acts


def act_of(kind: str, guest: Guest) -> Act:
    """The button of an act, as it is called for this guest."""
    return RESTORE if kind == "start" and guest.saved else ACTS[kind]
