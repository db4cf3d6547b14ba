"""The form behind a status page: its title and address, and the guests on it under chosen labels."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.status.models import StatusPage, StatusPageGuest
from guests.inventory.models import Guest

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[StatusPage]
else:
    _ModelForm = forms.ModelForm

RESERVED = {"new"}
UNLISTED_BYTES = 18  # 144 bit: an address nobody guesses
LARGEST_PAGE = 200
CANDIDATES = 30


class StatusPageForm(_ModelForm):
    """Title, address, and whether everybody may see it."""

    class Meta:
        model = StatusPage
        fields = ["title", "slug", "published"]
        labels = {
            "title": gettext_lazy("Title"),
            "slug": gettext_lazy("Address"),
            "published": gettext_lazy("Published: anybody with the address sees it, without an account"),
        }
        help_texts = {
            "title": gettext_lazy("Stands above the page; everybody who opens it reads it."),
            "slug": gettext_lazy(
                "The last part of /status/…/. Left empty it becomes a random one that nobody can guess."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["slug"].required = False
        for field in ("title", "slug"):
            self.fields[field].widget.attrs["autocomplete"] = "off"

    def clean_slug(self) -> str:
        """A word of one's own, or a random one."""
        slug: str = self.cleaned_data["slug"] or (self.instance.slug if self.instance.pk else "")
        if slug in RESERVED:
            raise ValidationError(_("This address is taken."))
        return slug or secrets.token_urlsafe(UNLISTED_BYTES)


@dataclass(frozen=True, slots=True)
class Choice:
    """One guest on the page, as typed; `error` is what is wrong with it."""

    guest: Guest
    label: str
    position: str
    error: str = ""


class ChosenGuests:
    """The rows of the form: `guest` and `add` hold ids, each with a `label-ID`, `position-ID`, `remove-ID`."""

    def __init__(self, choices: list[Choice], errors: list[str]) -> None:
        self.choices = choices
        self.errors = errors

    @classmethod
    def of(cls, page: StatusPage) -> ChosenGuests:
        """As they stand."""
        rows = page.rows.select_related("guest__host")
        return cls([Choice(row.guest, row.label, str(row.position)) for row in rows], [])

    @classmethod
    def typed(cls, data: QueryDict) -> ChosenGuests:
        """As sent, in the order of their positions; nothing is stored yet."""
        errors: list[str] = []
        asked = list(dict.fromkeys([*data.getlist("guest"), *data.getlist("add")]))
        guests = {str(guest.pk): guest for guest in _guests_by_id(asked)}
        if len(guests) != len(asked):
            errors.append(_("One of the guests is not there any more; it was left out."))
        choices = []
        for number, key in enumerate(asked, start=1):
            if key not in guests or f"remove-{key}" in data:
                continue
            guest = guests[key]
            label = data.get(f"label-{key}", guest.name).strip()[:120]
            error = "" if label else _("Give this guest a label.")
            choices.append(Choice(guest, label, data.get(f"position-{key}", str(number)), error))
        errors += [choice.error for choice in choices if choice.error]
        if len(choices) > LARGEST_PAGE:
            errors.append(_("A page holds at most %(n)d guests.") % {"n": LARGEST_PAGE})
        choices.sort(key=lambda choice: _number(choice.position))
        return cls(choices, errors)

    def candidates(self, words: str) -> list[Guest]:
        """Guests whose name, host or UUID contains the words and that are not on the page yet; at most 30."""
        chosen = [choice.guest.pk for choice in self.choices]
        guests = Guest.objects.filter(gone_at=None).exclude(pk__in=chosen).select_related("host")
        if words:
            guests = guests.filter(Q(name__icontains=words) | Q(host__name__icontains=words) | Q(uuid__icontains=words))
        return list(guests.order_by("name", "id")[:CANDIDATES])

    def store(self, page: StatusPage) -> None:
        """Make the page's rows these."""
        with transaction.atomic():
            page.rows.all().delete()
            StatusPageGuest.objects.bulk_create(
                StatusPageGuest(page=page, guest=choice.guest, label=choice.label, position=position)
                for position, choice in enumerate(self.choices, start=1)
            )


def _guests_by_id(texts: list[str]) -> list[Guest]:
    ids = []
    for text in texts[: LARGEST_PAGE + CANDIDATES]:
        try:
            ids.append(UUID(text))
        except ValueError:
            continue
    return list(Guest.objects.filter(pk__in=ids).select_related("host"))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 10**6
