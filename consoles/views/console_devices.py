"""Consoles for guests that lack them: a serial port or a VNC server more, where that listens, a log. One POST each."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from guests.access import Action, guest_for
from guests.inventory.models import Guest
from guests.operations import ask, new_key, wait_for_end
from guests.operations.models import Operation, OperationState

WAIT_SECONDS = 2.0


@require_POST
def add_serial(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """A serial port for the next boot. `key`: of the form's rendering, so that it is added once."""
    guest = guest_for(request.user, guest_id, Action.RESIZE)
    later = (guest.next_boot or guest.definition or {}).get("text_consoles", [])
    operation = _ask(request, guest, "add_serial_console", {"text_consoles": len(later) + 1})
    return _answer(request, guest, operation, _("%(guest)s has another serial console."))


@require_POST
def host_log(request: HttpRequest, guest_id: UUID, device: str) -> HttpResponse:
    """`on`: 1 or 0. The host writes the device's log to a file from the next boot on, or no more."""
    guest = guest_for(request.user, guest_id, Action.RESIZE)
    on = request.POST.get("on") == "1"
    operation = _ask(request, guest, "set_host_log", {"device": device, "on": on})
    done = _("The host writes the log of this console of %(guest)s.")
    return _answer(request, guest, operation, done if on else _("The host writes no log of this console of %(guest)s."))


@require_POST
def add_graphics(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """A VNC server for the next boot. `key`: of the form's rendering, so that it is added once."""
    guest = guest_for(request.user, guest_id, Action.RESIZE)
    return _answer(request, guest, _ask(request, guest, "add_graphics", {}), _("%(guest)s has a graphical console."))


@require_POST
def keep_inside(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """From the next boot on, nobody on the network reaches the guest's VNC server."""
    guest = guest_for(request.user, guest_id, Action.RESIZE)
    operation = _ask(request, guest, "keep_graphics_inside", {})
    return _answer(request, guest, operation, _("The screen of %(guest)s stays inside of its host."))


def _ask(request: HttpRequest, guest: Guest, kind: str, parameters: dict[str, Any]) -> Operation:
    assert request.user.is_authenticated  # guest_for lets nobody else in
    operation = ask(
        kind,
        guest,
        by=request.user,
        key=request.POST.get("key", "")[:64] or new_key(),
        parameters=parameters,
        address=request.META.get("REMOTE_ADDR", ""),
    )
    return wait_for_end(operation, seconds=WAIT_SECONDS)


def _answer(request: HttpRequest, guest: Guest, operation: Operation, done: str) -> HttpResponse:
    name = {"guest": guest.name}
    if not operation.is_over:
        messages.info(request, _("%(guest)s: this was asked for, and is under way.") % name)
    elif operation.state != OperationState.DONE:
        messages.error(request, operation.message or _("%(guest)s: this failed.") % name)
    elif operation.after.get("waits_for_boot"):
        messages.success(request, f"{done % name} {_('This is so from the next boot on: shut it down and start it.')}")
    else:
        messages.success(request, done % name)
    return redirect("guests:detail", guest.pk)
