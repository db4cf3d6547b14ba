"""Memory and vCPUs: a form each, and taking back what waits for the next boot."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from guests.access import Action
from guests.forms import MemoryForm, VCPUsForm
from guests.operations.models import Operation
from guests.views.guest_cards import MEMORY, VCPUS, GuestCards, cards_for, parts_answer, signed_in
from guests.views.guest_page import show_tab

PREVIEW = "preview"


@require_POST
def resize_memory(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Current and maximum memory."""
    cards = cards_for(request, guest_id, Action.RESIZE)
    form = MemoryForm(request.POST, guest=cards.guest, limits=cards.limits)
    return _resize(request, cards, form, MEMORY)


@require_POST
def resize_vcpus(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Current and maximum vCPUs."""
    cards = cards_for(request, guest_id, Action.RESIZE)
    form = VCPUsForm(request.POST, guest=cards.guest, limits=cards.limits)
    return _resize(request, cards, form, VCPUS)


@require_POST
def revert(request: HttpRequest, guest_id: UUID, what: str) -> HttpResponse:
    """Make the next boot take what the guest has now."""
    if what not in {"memory", "vcpus"}:
        raise Http404(_("There is nothing of that name to revert."))
    cards = cards_for(request, guest_id, Action.RESIZE)
    form_class, parts = (MemoryForm, MEMORY) if what == "memory" else (VCPUsForm, VCPUS)
    unbound = form_class(guest=cards.guest)
    live = unbound.standing.live
    if live is None or not unbound.standing.is_pending:
        messages.info(request, _("Nothing waits for the next boot of %(guest)s.") % {"guest": cards.guest.name})
        return _done(request, guest_id, parts)
    values = {"current": unbound.amount(live.current), "maximum": unbound.amount(live.maximum), "keep": "on"}
    values |= {"key": request.POST.get("key", "")}
    return _resize(request, cards, form_class(values, guest=cards.guest, limits=cards.limits), parts)


def _resize(
    request: HttpRequest, cards: GuestCards, form: MemoryForm | VCPUsForm, parts: tuple[str, ...]
) -> HttpResponse:
    """Refused, or only looked at: the form again with what was typed. Else the re-read cards, or a redirect."""
    if form.is_valid() and PREVIEW not in request.POST:
        operations = form.submit(by=signed_in(request), address=request.META.get("REMOTE_ADDR", ""))
        if not form.errors:
            messages.success(request, _said(cards.guest.name, operations, form))
            return _done(request, cards.guest.pk, parts)
        # The worker refused it: what it knows may be newer than what this page knew.
        refused, form = (
            form,
            type(form)(request.POST, guest=cards_for(request, cards.guest.pk).guest, limits=cards.limits),
        )
        form.full_clean()
        form.errors.clear()
        form.errors.update(refused.errors)
        cards = GuestCards(request, form.guest)
    if isinstance(form, MemoryForm):
        cards.memory_form = form
    else:
        cards.vcpus_form = form
    status = 422 if form.errors else 200
    if request.headers.get("HX-Request"):
        return parts_answer(cards, (*parts, "operations"), status=status)
    return show_tab(cards, "resources", status=status)


def _done(request: HttpRequest, guest_id: UUID, parts: tuple[str, ...]) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return parts_answer(cards_for(request, guest_id), ("header", "messages", *parts, "operations"))
    return redirect("guests:resources", guest_id)


def _said(name: str, operations: list[Operation], form: MemoryForm | VCPUsForm) -> str:
    if all(operation.is_over for operation in operations):
        return next((o.message for o in reversed(operations) if o.message), "") or _("%(guest)s was resized.") % {
            "guest": name
        }
    return _("%(guest)s: it was asked for, and is under way.") % {"guest": name}
