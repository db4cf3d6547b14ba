"""A guest's tab "Access": who can do what here and why, giving and taking roles, tags."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from guests.access import Action, Grant, Role, grants_on, may, revoke
from guests.access.reasons import PersonHere, grants_about, people_on
from guests.access.tagging import set_tags, tag_names
from guests.forms.grant_form import GrantOnGuestForm
from guests.views.grant_row import GrantRow, grant_rows, holder_words, limit_words, object_words
from guests.views.guest_cards import GuestCards, cards_for, signed_in


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person, the highest role, how far it reaches, and a sentence for each reason."""

    name: str
    role: Role
    limits: str
    why: list[str]


class GuestAccess:
    """What the tab shows: everything to administrators of the guest, to others what they hold themselves."""

    def __init__(self, cards: GuestCards, *, form: GrantOnGuestForm | None = None, tags: str | None = None) -> None:
        self._cards = cards
        self._form = form
        self._tags = tags
        self.tags_error = ""

    @cached_property
    def grants(self) -> list[Grant]:
        return list(grants_about(self._cards.guest))

    @cached_property
    def people(self) -> list[PersonRow]:
        return [_person_row(person) for person in people_on(self._cards.guest, self.grants)]

    @cached_property
    def rows(self) -> list[GrantRow]:
        guest_id = self._cards.guest.pk
        by = signed_in(self._cards.request)
        return grant_rows(self.grants, by=by, url=lambda grant: reverse("guests:take-role", args=[guest_id, grant.pk]))

    @cached_property
    def form(self) -> GrantOnGuestForm:
        return self._form or GrantOnGuestForm(guest=self._cards.guest, by=signed_in(self._cards.request))

    @cached_property
    def tag_words(self) -> list[str]:
        return list(self._cards.guest.tags.values_list("name", flat=True))

    @property
    def tags_typed(self) -> str:
        return " ".join(self.tag_words) if self._tags is None else self._tags

    @cached_property
    def own_limits(self) -> str:
        return limit_words(self._cards.limits)

    @cached_property
    def own_reasons(self) -> list[str]:
        related = ("user", "group", "host", "tag", "guest")
        held = grants_on(self._cards.request.user, self._cards.guest).select_related(*related)
        return [_reason(found) for found in held]


@require_safe
def access(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Who can do what here, and why."""
    cards = cards_for(request, guest_id)
    return _page(cards, GuestAccess(cards))


@require_POST
def give_role(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Give a role here, or on more of what the guest belongs to."""
    cards = cards_for(request, guest_id, Action.GRANT)
    form = GrantOnGuestForm(request.POST, guest=cards.guest, by=signed_in(request))
    if not form.is_valid():
        return _page(cards, GuestAccess(cards, form=form), status=422)
    found = form.submit(address=request.META.get("REMOTE_ADDR", ""))
    messages.success(request, _("%(who)s: %(what)s.") % {"who": holder_words(found), "what": _reason(found)})
    return redirect("guests:access", guest_id)


@require_POST
def take_role(request: HttpRequest, guest_id: UUID, pk: int) -> HttpResponse:
    """Take one role away that covers this guest."""
    cards = cards_for(request, guest_id, Action.GRANT)
    found = get_object_or_404(grants_about(cards.guest), pk=pk)
    words = {"who": holder_words(found), "what": _reason(found)}
    revoke(found, by=signed_in(request), address=request.META.get("REMOTE_ADDR", ""))
    messages.success(request, _("Taken away from %(who)s: %(what)s.") % words)
    still_seen = may(request.user, Action.SEE, cards.guest)  # one may take one's own
    return redirect("guests:access", guest_id) if still_seen else redirect("guests:list")


@require_POST
def tags(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Make these words its tags."""
    cards = cards_for(request, guest_id, Action.GRANT)
    typed = request.POST.get("tags", "")
    try:
        names = tag_names(typed)
    except ValidationError as error:
        shown = GuestAccess(cards, tags=typed)
        shown.tags_error = " ".join(error.messages)
        return _page(cards, shown, status=422)
    set_tags(cards.guest, names, by=signed_in(request), address=request.META.get("REMOTE_ADDR", ""))
    messages.success(request, _("The tags of %(guest)s were set.") % {"guest": cards.guest.name})
    return redirect("guests:access", guest_id)


def _page(cards: GuestCards, shown: GuestAccess, *, status: int = 200) -> HttpResponse:
    context = {
        "page": cards,
        "access": shown,
        "guest": cards.guest,
        "host": cards.host,
        "tab": "access",
        "section": "guests",
    }
    return render(cards.request, "guests/guest_access.html", context, status=status)


def _person_row(person: PersonHere) -> PersonRow:
    why = [_reason(found) for found in person.why] or [_("superuser: everything, without a grant")]
    return PersonRow(person.user.get_username(), person.role, limit_words(person.limits), why)


def _reason(found: Grant) -> str:
    """As people say it: "operator on tag web, through group night shift"."""
    words = {"role": found.get_role_display().lower(), "on": object_words(found)}
    if found.group is None:
        return _("%(role)s on %(on)s") % words
    return _("%(role)s on %(on)s, through group %(group)s") % {**words, "group": found.group.name}
