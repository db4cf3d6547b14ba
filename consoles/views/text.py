"""The text console's page: a terminal, or why there is none."""

from __future__ import annotations

from uuid import UUID

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from consoles.text.consoles_of import has_text_consoles, text_consoles_of
from guests.access import Action, guest_for, may
from guests.inventory.models import Guest
from guests.operations import new_key
from guests.resources import TextConsole

HVC_TARGETS = {"virtio", "xen"}  # Linux's hvc consoles, which take Ctrl-O as SysRq (drivers/tty/hvc/hvc_console.c)


# xterm.js colours single characters with style attributes; no other pages allow them.
@csp_update({"style-src-attr": [UNSAFE_INLINE]})  # type: ignore[untyped-decorator]
@require_safe
def text_console(request: HttpRequest, guest_id: UUID, device: str = "") -> HttpResponse:
    """One device of one guest; without a name the first that can be opened."""
    guest, found, chosen = _console(request, guest_id, device)
    context = {"section": "guests", "guest": guest, "consoles": found, "chosen": chosen}
    if chosen is None:
        context |= {
            "reachable": has_text_consoles(guest.host),
            "may_add": guest.persistent and may(request.user, Action.RESIZE, guest),
            "key": new_key(),
        }
        return render(request, "consoles/text_absent.html", context)
    context |= {
        "may_type": may(request.user, Action.TYPE, guest),
        "may_take_over": may(request.user, Action.TAKE_OVER, guest),
        "is_hvc": chosen.target in HVC_TARGETS,
    }
    return render(request, "consoles/text_console.html", context)


@csp_update({"style-src-attr": [UNSAFE_INLINE]})  # type: ignore[untyped-decorator]
@require_safe
def past(request: HttpRequest, guest_id: UUID, device: str) -> HttpResponse:
    """The console's log: searched and played back. What it shows is asked of the log's own addresses."""
    guest, found, chosen = _console(request, guest_id, device)
    if chosen is None:
        raise Http404(_("This guest has no such text console."))
    context = {"section": "guests", "guest": guest, "consoles": found, "chosen": chosen}
    return render(request, "consoles/past.html", context)


def _console(request: HttpRequest, guest_id: UUID, device: str) -> tuple[Guest, list[TextConsole], TextConsole | None]:
    """A guest that may be watched, its consoles, and the one asked for; None where it has none at all."""
    guest = guest_for(request.user, guest_id, Action.WATCH)
    found = text_consoles_of(guest) if guest.gone_at is None else []
    chosen = next((console for console in found if device in {"", console.device}), None)
    if found and chosen is None:
        raise Http404(_("This guest has no such text console."))
    return guest, found, chosen
