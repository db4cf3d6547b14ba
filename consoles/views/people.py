"""Who is at a guest's consoles now, and sending somebody away; for administrators of the guest."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from consoles.models import ConsoleSession
from guests import audit
from guests.access import Action, guest_for
from guests.inventory.changes import Feed, next_revision
from guests.inventory.models import Guest


class SendAwayForm(forms.Form):
    """Whom, and what they are told."""

    session = forms.UUIDField()
    because = forms.CharField(
        required=False,
        max_length=80,
        label=gettext_lazy("Reason"),
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off", "id": "because"}),
        help_text=gettext_lazy("Shown to whom you send away, and kept in the audit record."),
    )


@require_safe
def people(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Everybody who is at a console of the guest, longest first."""
    guest = guest_for(request.user, guest_id, Action.TAKE_OVER)
    return _page(request, guest, SendAwayForm())


@require_POST
def send_away(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Close one console of one person. They may come back as long as they have the right: take the role away first."""
    guest = guest_for(request.user, guest_id, Action.TAKE_OVER)
    form = SendAwayForm(request.POST)
    if not form.is_valid():
        return _page(request, guest, form, status=422)
    with transaction.atomic():
        here = _here(guest).filter(pk=form.cleaned_data["session"], sent_away_by="").first()
        if here is not None:
            here.sent_away_by, here.sent_away_because = request.user.get_username(), form.cleaned_data["because"]
            here.save(update_fields=["sent_away_by", "sent_away_because"])
            next_revision(Feed.RIGHTS)  # the console server looks at once
            audit.record(
                "console.send_away",
                by=request.user,
                guest=guest,
                address=request.META.get("REMOTE_ADDR", ""),
                person=here.user.get_username(),
                session=str(here.pk),
                kind=here.kind,
                reason=here.sent_away_because,
            )
    if request.headers.get("HX-Request"):
        return _page(request, guest, SendAwayForm())
    if here is not None:
        messages.success(request, _("%(name)s is sent away.") % {"name": here.user.get_username()})
    return redirect("consoles:people", guest.pk)


def _here(guest: Guest) -> QuerySet[ConsoleSession]:
    return ConsoleSession.objects.filter(guest=guest, ended_at__isnull=True).select_related("user")


def _page(request: HttpRequest, guest: Guest, form: SendAwayForm, *, status: int = 200) -> HttpResponse:
    context = {"section": "guests", "guest": guest, "people": _here(guest).order_by("started_at"), "form": form}
    template = "consoles/people.html#people-card" if request.headers.get("HX-Request") else "consoles/people.html"
    return render(request, template, context, status=status)
