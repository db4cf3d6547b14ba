"""Memory beyond the maximum of a guest: the room for it, and what is plugged in; each form asks one operation."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from guests.access import Action
from guests.forms.memory_room_forms import NoRoomForm, RoomForm, hotplug_later
from guests.forms.plugged_memory_forms import PlugForm, RequestForm, UnplugForm
from guests.operations.kinds import KINDS
from guests.views.guest_cards import GuestCards, cards_for, signed_in
from guests.views.guest_page import show_tab
from guests.views.outcome import say_outcome
from guests.views.plugged_rows import PluggedRow

MemoryForms = PlugForm | RequestForm | UnplugForm | RoomForm | NoRoomForm
FORMS: dict[str, type[MemoryForms]] = {
    "plug": PlugForm,
    "request": RequestForm,
    "unplug": UnplugForm,
    "room": RoomForm,
    "no-room": NoRoomForm,
}


@require_safe
def plugged(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """What is plugged in, and all forms that fit the guest, its host and this person."""
    return _page(cards_for(request, guest_id, Action.RESIZE))


@require_POST
def change(request: HttpRequest, guest_id: UUID, what: str) -> HttpResponse:
    """One of them."""
    if what not in FORMS:
        raise Http404(_("There is no such setting."))
    cards = cards_for(request, guest_id, KINDS[FORMS[what].kind].action)
    form = next((form for form in _forms(cards, sent=what) if form.is_bound), None)
    if form is None:
        raise Http404(_("This guest has no such setting."))
    if form.is_valid():
        operation = form.submit(address=request.META.get("REMOTE_ADDR", ""))
        if operation is not None:
            say_outcome(request, cards.guest, operation, str(form.done))
            return redirect("guests:plugged", guest_id)
    form.renew()
    return _page(cards, form)


def _page(cards: GuestCards, sent: MemoryForms | None = None) -> HttpResponse:
    """`sent` stands in the place of its like."""
    forms = [sent if sent and _place(form) == _place(sent) else form for form in _forms(cards)]
    devices = [
        (row, [form for form in forms if getattr(form, "device", None) == row.device]) for row in cards.plugged.rows
    ]
    return show_tab(
        cards,
        "plugged",
        status=422 if sent else 200,
        forms=[form for form in forms if not hasattr(form, "device")],
        devices=devices,
    )


def _place(form: MemoryForms) -> tuple[str, str]:
    device = getattr(form, "device", None)
    return form.kind, device.name if device else ""


def _forms(cards: GuestCards, sent: str = "") -> list[MemoryForms]:
    """All that fit; of the kind that was sent, those of the named device bound to what was typed."""
    guest, by, post = cards.guest, signed_in(cards.request), cards.request.POST
    if not cards.may_resize or guest.gone_at is not None or guest.privileged or not cards.plugged.is_possible:
        return []
    bound = {what: post if what == sent else None for what in FORMS}
    forms: list[MemoryForms] = []
    if cards.plugged.has_room:
        forms.append(PlugForm(bound["plug"], guest=guest, by=by))
    for row in cards.plugged.rows:
        is_meant = post.get("name") == row.device.name
        forms += [
            form_class(bound[what] if is_meant else None, guest=guest, by=by, device=row.device, rows=_places(row))
            for what, form_class in (("request", RequestForm), ("unplug", UnplugForm))
            if row.device.in_parts or what == "unplug"
        ]
    if cards.may_change_devices and guest.persistent:
        forms.append(RoomForm(bound["room"], guest=guest, by=by))
        later = hotplug_later(guest)
        if later.ceiling_kib and not later.devices:
            forms.append(NoRoomForm(bound["no-room"], guest=guest, by=by))
    return forms


def _places(row: PluggedRow) -> tuple[bool, bool]:
    return row.is_there, row.is_there_later
