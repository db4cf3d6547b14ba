"""Power: start and stop, reboot and reset, pause and resume. Each returns when libvirt took it, not when it is done."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import libvirt
from django.utils.translation import gettext as _

from guests.errors import OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.reading import find_domain
from guests.hypervisor.states import state_of
from guests.resources import GuestState

_ACTIVE = frozenset(state for state in GuestState if state.is_active)
_RUNNING = frozenset({GuestState.RUNNING, GuestState.IDLE})


def start(c: Connection, uuid: UUID) -> None:
    """Boot a guest that is shut off."""
    domain = _guest_in(c, uuid, {GuestState.SHUT_OFF, GuestState.CRASHED, GuestState.UNKNOWN}, _("%s already runs."))
    with translated_errors(domain.name()):
        domain.createWithFlags(0)


def start_paused(c: Connection, uuid: UUID) -> None:
    """Create a guest without letting its vCPUs run: nothing of it boots until it is resumed."""
    domain = _guest_in(c, uuid, {GuestState.SHUT_OFF, GuestState.CRASHED, GuestState.UNKNOWN}, _("%s already runs."))
    with translated_errors(domain.name()):
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)


def shut_down(c: Connection, uuid: UUID) -> None:
    """Ask the guest's system to shut down (ACPI, or what the driver has); it may ignore that."""
    domain = _guest_in(c, uuid, _RUNNING, _("%s does not run: there is nothing to shut down, or it is paused."))
    with translated_errors(domain.name()):
        domain.shutdownFlags(0)


def force_off(c: Connection, uuid: UUID) -> None:
    """Take the power away at once (virDomainDestroyFlags 0)."""
    domain = _guest_in(c, uuid, _ACTIVE, _("%s is shut off already."))
    with translated_errors(domain.name()):
        domain.destroyFlags(0)


def reboot(c: Connection, uuid: UUID) -> None:
    """Ask the guest's system to reboot; it may ignore that."""
    domain = _guest_in(c, uuid, _RUNNING, _("%s does not run: it cannot reboot."))
    with translated_errors(domain.name()):
        domain.reboot(0)


def reset(c: Connection, uuid: UUID) -> None:
    """Press the reset button: the guest's system is not asked."""
    domain = _guest_in(c, uuid, _ACTIVE, _("%s is shut off: there is nothing to reset."))
    with translated_errors(domain.name()):
        domain.reset(0)


def pause(c: Connection, uuid: UUID) -> None:
    """Stop the guest's vCPUs; it keeps its memory."""
    domain = _guest_in(c, uuid, _RUNNING, _("%s does not run, or is paused already."))
    with translated_errors(domain.name()):
        domain.suspend()


def resume(c: Connection, uuid: UUID) -> None:
    """Let a paused guest go on, and wake one that suspended itself to memory."""
    domain = _guest_in(c, uuid, {GuestState.PAUSED, GuestState.PMSUSPENDED}, _("%s is not paused."))
    with translated_errors(domain.name()):
        if state_of(*domain.state())[0] is GuestState.PMSUSPENDED:
            domain.pMWakeup(0)
        else:
            domain.resume()


def _guest_in(c: Connection, uuid: UUID, states: set[GuestState] | frozenset[GuestState], otherwise: str) -> Any:
    """The domain when its state is one of `states`, else OperationRefused with the sentence `otherwise`."""
    domain = find_domain(c, uuid)
    if uuid.int == 0:
        raise OperationRefused(_("Domain-0 is the Xen host itself: its power cannot be changed from here."))
    with translated_errors(domain.name()):
        state = state_of(*domain.state(), active=domain.ID() >= 0)[0]
    if state not in states:
        raise OperationRefused(otherwise % domain.name())
    return domain
