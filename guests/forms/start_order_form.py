"""The order in which the guests of a host start after it booted: a number and a wait each, one operation a change."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.forms import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.access import Action, visible_to
from guests.forms.asking_form import WAIT_SECONDS
from guests.inventory.models import Guest, Host
from guests.operations import ask, new_key, wait_for_end
from guests.operations.host_starts import HostBoot
from guests.operations.models import Operation
from guests.operations.starting import MOST_PLACE, MOST_WAIT_SECONDS


@dataclass(frozen=True, slots=True)
class StartRow:
    """One guest with its two fields."""

    guest: Guest
    place: BoundField
    wait: BoundField


class StartOrderForm(forms.Form):
    """Of the guests that this person may start: those that start with the host, and one more to be added."""

    key = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    add = forms.ChoiceField(required=False, label=gettext_lazy("Another guest"))

    def __init__(self, data: Any = None, *, host: Host, by: AbstractBaseUser) -> None:
        super().__init__(data, auto_id="starts-%s", initial={"key": new_key()})
        self.host, self.by = host, by
        self.can_order = HostBoot.objects.filter(host=host).exists()
        movable = visible_to(by, Action.POWER).filter(host=host, gone_at=None, persistent=True, privileged=False)
        self.guests = list(
            movable.select_related("start_place", "host").defer("definition", "next_boot").order_by("name", "pk")
        )
        self.others = {str(guest.pk): guest for guest in self.guests if not _starts(guest)}
        chosen = [("", _("Choose a guest")), *((key, guest.name) for key, guest in self.others.items())]
        self.fields["add"].choices = chosen  # type: ignore[attr-defined]
        for guest in self.guests:
            if _starts(guest):
                self._add_fields(str(guest.pk), guest.name, *_now(guest))
        self._add_fields("add", _("the other guest"), None, 0)

    def _add_fields(self, key: str, name: str, place: int | None, wait: int) -> None:
        self.fields[f"place-{key}"] = forms.IntegerField(
            required=False,
            min_value=1,
            max_value=MOST_PLACE,
            initial=place,
            label=_("Place of %(guest)s") % {"guest": name},
        )
        self.fields[f"wait-{key}"] = forms.IntegerField(
            required=False,
            min_value=0,
            max_value=MOST_WAIT_SECONDS,
            initial=wait,
            label=_("Seconds to wait after %(guest)s") % {"guest": name},
        )

    @property
    def rows(self) -> list[StartRow]:
        """In their order, those that libvirt starts at once first."""
        found = sorted((guest for guest in self.guests if _starts(guest)), key=lambda guest: _now(guest)[0] or 0)
        return [StartRow(guest, self[f"place-{guest.pk}"], self[f"wait-{guest.pk}"]) for guest in found]

    @property
    def new_place(self) -> BoundField:
        """Of the guest that is added."""
        return self["place-add"]

    @property
    def new_wait(self) -> BoundField:
        return self["wait-add"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("add") and cleaned.get("place-add") is None and "place-add" not in self.errors:
            self.add_error("place-add", _("Give it a number."))
        return cleaned

    def submit(self, *, address: str) -> list[Operation]:
        """Ask for each guest whose number or wait changed, and wait a moment for all of them."""
        cleaned, wanted = self.cleaned_data, list[tuple[Guest, int | None, int]]()
        for row in self.rows:
            wanted.append((row.guest, *self._typed(str(row.guest.pk))))
        if cleaned["add"]:
            wanted.append((self.others[cleaned["add"]], *self._typed("add")))
        operations = []
        for guest, place, wait in wanted:
            now, then = _now(guest)
            if (place, wait) == (now, then) or (place is None and now is None):
                continue
            operations.append(
                ask(
                    "set_start_order",
                    guest,
                    by=self.by,
                    key=self._key(guest.pk),
                    parameters={"place": place, "wait_seconds": wait},
                    before={"place": now, "wait_seconds": then, "autostart": guest.autostart},
                    address=address,
                )
            )
        deadline = time.monotonic() + WAIT_SECONDS
        return [wait_for_end(operation, max(0.0, deadline - time.monotonic())) for operation in operations]

    def _typed(self, key: str) -> tuple[int | None, int]:
        return self.cleaned_data[f"place-{key}"], self.cleaned_data[f"wait-{key}"] or 0

    def _key(self, guest: UUID) -> str:
        """One key a form and guest: a form sent twice asks once."""
        return hashlib.sha256(f"{self.cleaned_data['key'] or new_key()}:{guest}".encode()).hexdigest()


def _starts(guest: Guest) -> bool:
    return guest.autostart or hasattr(guest, "start_place")


def _now(guest: Guest) -> tuple[int | None, int]:
    row = getattr(guest, "start_place", None)
    return (row.place, row.wait_seconds) if row else (None, 0)
