"""A guest's tab "Snapshots": the tree, taking one, going back to one, deleting one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from guests.access import Action
from guests.forms.asking_form import AskingForm
from guests.forms.snapshot_forms import DeleteSnapshotForm, RevertForm, TakeSnapshotForm, why_none
from guests.views.guest_cards import GuestCards, cards_for, signed_in
from guests.views.guest_page import show_tab
from guests.views.outcome import asked
from guests.views.snapshot_rows import kept_words


@require_safe
def snapshots(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """The tree, and the form to take one."""
    cards = cards_for(request, guest_id)
    return _tab(cards, TakeSnapshotForm(guest=cards.guest, by=signed_in(request)))


@require_POST
def take(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Keep the guest as it is now."""
    cards = cards_for(request, guest_id, Action.DEVICES)
    form = TakeSnapshotForm(request.POST, guest=cards.guest, by=signed_in(request))
    if asked(request, form, _("%(guest)s: the snapshot was taken.") % {"guest": cards.guest.name}):
        return redirect("guests:snapshots", guest_id)
    return _tab(cards, form, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
def revert(request: HttpRequest, guest_id: UUID, snapshot: str) -> HttpResponse:
    """Go back to one, after a page that says what is lost."""
    cards = cards_for(request, guest_id, Action.DEVICES)
    found, data = _named(cards, snapshot), request.POST if request.method == "POST" else None
    form = RevertForm(data, guest=cards.guest, by=signed_in(request), snapshot=found)
    if asked(request, form, _("%(guest)s is what it was then.") % {"guest": cards.guest.name}):
        return redirect("guests:snapshots", guest_id)
    return _question(cards, "snapshot_revert", form, found)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, guest_id: UUID, snapshot: str) -> HttpResponse:
    """Forget one, or with those that were taken from it."""
    cards = cards_for(request, guest_id, Action.DEVICES)
    found, data = _named(cards, snapshot), request.POST if request.method == "POST" else None
    form = DeleteSnapshotForm(data, guest=cards.guest, by=signed_in(request), snapshot=found)
    if asked(request, form, _("%(guest)s: the snapshot was deleted.") % {"guest": cards.guest.name}):
        return redirect("guests:snapshots", guest_id)
    return _question(cards, "snapshot_delete", form, found)


def _tab(cards: GuestCards, form: TakeSnapshotForm, *, status: int = 200) -> HttpResponse:
    return show_tab(cards, "snapshots", status=status, form=form, why_none=why_none(cards.guest))


def _question(cards: GuestCards, tab: str, form: AskingForm, found: dict[str, Any]) -> HttpResponse:
    made_at = datetime.fromtimestamp(found["made_at"], UTC)
    more = {"form": form, "snapshot": found, "kept": kept_words(found), "made_at": made_at}
    return show_tab(cards, tab, status=422 if form.errors else 200, **more)


def _named(cards: GuestCards, name: str) -> dict[str, Any]:
    found: dict[str, Any] | None = next((one for one in cards.guest.snapshots if one["name"] == name), None)
    if found is None or found["external"]:
        raise Http404(_("This guest has no such snapshot."))
    return found
