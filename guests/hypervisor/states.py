"""libvirt's numbers for a guest's state and why it has it, as virsh's words (virsh-domain-monitor.c)."""

from __future__ import annotations

import libvirt

from guests.resources import GuestState

_STATES = {
    libvirt.VIR_DOMAIN_RUNNING: GuestState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: GuestState.IDLE,
    libvirt.VIR_DOMAIN_PAUSED: GuestState.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: GuestState.IN_SHUTDOWN,
    libvirt.VIR_DOMAIN_SHUTOFF: GuestState.SHUT_OFF,
    libvirt.VIR_DOMAIN_CRASHED: GuestState.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: GuestState.PMSUSPENDED,
}
# Index 0 is "unknown" everywhere.
_REASONS = {
    GuestState.RUNNING: (
        "",
        "booted",
        "migrated",
        "restored",
        "from snapshot",
        "unpaused",
        "migration canceled",
        "save canceled",
        "event wakeup",
        "crashed",
        "post-copy",
        "post-copy failed",
    ),
    GuestState.PAUSED: (
        "",
        "user",
        "migrating",
        "saving",
        "dumping",
        "I/O error",
        "watchdog",
        "from snapshot",
        "shutting down",
        "creating snapshot",
        "crashed",
        "starting up",
        "post-copy",
        "post-copy failed",
        "API error",
    ),
    GuestState.IN_SHUTDOWN: ("", "user"),
    GuestState.SHUT_OFF: (
        "",
        "shutdown",
        "destroyed",
        "crashed",
        "migrated",
        "saved",
        "failed",
        "from snapshot",
        "daemon",
    ),
    GuestState.CRASHED: ("", "panicked"),
}


def state_of(number: int | None, reason: int | None = None, *, active: bool = False) -> tuple[GuestState, str]:
    """A virDomainState and its reason as words; UNKNOWN for numbers of the future.

    Xen tells "no state" for a guest that could run but has no CPU at this moment: with a domain id that is IDLE.
    """
    state = _STATES.get(number, GuestState.UNKNOWN)
    if active and number == libvirt.VIR_DOMAIN_NOSTATE:
        return GuestState.IDLE, ""
    words = _REASONS.get(state, ())
    return state, words[reason] if reason is not None and 0 <= reason < len(words) else ""


def reason_of_stop(detail: int) -> str:
    """Why a guest stopped, by virDomainEventStoppedDetailType: the words of the state "shut off" for the same."""
    words = ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from snapshot")
    return words[detail] if 0 <= detail < len(words) else ""
