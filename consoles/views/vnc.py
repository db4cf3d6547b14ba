"""The graphical console's page, and the tickets with which it connects."""

from __future__ import annotations

from uuid import UUID

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from consoles.models import Kind, Mode
from consoles.screens import graphics_of, has_clipboard, vnc_index
from consoles.tickets import mint
from guests.access import Action, guest_for, may
from guests.inventory.models import Guest
from guests.operations import new_key


# The text console may be put beside the screen, and xterm.js colours single characters with style attributes.
@csp_update({"style-src-attr": [UNSAFE_INLINE]})  # type: ignore[untyped-decorator]
@require_safe
def vnc_console(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """The screen of one guest; waits for it while the guest is shut off. Without a VNC device: why, and what to do."""
    guest = guest_for(request.user, guest_id, Action.WATCH)
    context = {"section": "guests", "guest": guest}
    if vnc_index(guest) is None or guest.gone_at is not None or not guest.host.enabled:
        return render(request, "consoles/vnc_absent.html", context | _absent(request, guest))
    context |= {
        "may_type": may(request.user, Action.TYPE, guest),
        "may_start": may(request.user, Action.POWER, guest),
        "has_clipboard": has_clipboard(guest),
        "function_keys": range(1, 13),
    }
    return render(request, "consoles/vnc_console.html", context)


def _absent(request: HttpRequest, guest: Guest) -> dict[str, object]:
    return {
        "other": next((device["kind"].upper() for device in graphics_of(guest)), ""),
        "comes": any(device["kind"] == "vnc" for device in (guest.next_boot or {}).get("graphics", [])),
        "may_add": guest.persistent and may(request.user, Action.RESIZE, guest),
        "key": new_key(),
    }


@require_POST
def vnc_ticket(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """A ticket for the asking page, as JSON: {token, mode}; 409 with {sentence} where there is no screen now.

    `record`: 1 where somebody who may type wants what they are shown recorded.
    """
    guest = guest_for(request.user, guest_id, Action.WATCH)
    if sentence := _no_screen_now(guest):
        return JsonResponse({"sentence": sentence}, status=409)
    mode = Mode.CONTROL if may(request.user, Action.TYPE, guest) else Mode.WATCH
    assert request.user.is_authenticated
    record = mode == Mode.CONTROL and request.POST.get("record") == "1"
    token = mint(request.user, request.session.session_key or "", guest, kind=Kind.VNC, mode=mode, record=record)
    return JsonResponse({"token": token, "mode": mode})


def _no_screen_now(guest: Guest) -> str:
    name = {"guest": guest.name}
    if guest.gone_at is not None:
        return _("%(guest)s is not on its host any more.") % name
    if vnc_index(guest) is None:
        return _("%(guest)s has no graphical console.") % name
    if not guest.is_active:
        return _("%(guest)s is shut off: it has no screen now.") % name
    return ""
