"""What is typed about a new token: its name, what it may, for which guests and hosts, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy, pgettext_lazy

from guests.access import hosts_visible_to, visible_to
from guests.access.tokens import MOST_DAYS, Ability, APIToken, make_token
from guests.inventory.models import Guest, Host

DAYS = (1, 7, 30, 90, 180, MOST_DAYS)
EVERYTHING, CHOSEN = "everything", "chosen"


class TokenForm(forms.Form):
    """A token for oneself."""

    name = forms.CharField(
        max_length=60,
        label=pgettext_lazy("of a token", "Name"),
        help_text=gettext_lazy("For what it is, for example the program and its machine: it stands in the record."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    ability = forms.ChoiceField(
        choices=Ability.choices, initial=Ability.READ, widget=forms.RadioSelect, label=gettext_lazy("It may")
    )
    days = forms.TypedChoiceField(
        coerce=int,
        initial=30,
        label=gettext_lazy("It ends after"),
        choices=[(days, ngettext_lazy("%(n)d day", "%(n)d days", days) % {"n": days}) for days in DAYS],
    )
    reach = forms.ChoiceField(
        choices=[
            (EVERYTHING, gettext_lazy("everything that is yours, also what comes later")),
            (CHOSEN, gettext_lazy("only what is chosen below")),
        ],
        initial=EVERYTHING,
        widget=forms.RadioSelect,
        label=gettext_lazy("It is for"),
    )
    hosts = forms.ModelMultipleChoiceField(
        Host.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Hosts, with all their guests that are yours"),
    )
    guests = forms.ModelMultipleChoiceField(
        Guest.objects.none(), required=False, widget=forms.CheckboxSelectMultiple, label=gettext_lazy("Guests")
    )

    def __init__(self, *args: Any, owner: AbstractBaseUser, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owner = owner
        seen = visible_to(owner).filter(gone_at=None).select_related("host").order_by("name", "id")
        guests, hosts = self.fields["guests"], self.fields["hosts"]
        assert isinstance(guests, forms.ModelMultipleChoiceField)
        assert isinstance(hosts, forms.ModelMultipleChoiceField)
        guests.queryset = seen.only("id", "name", "host__name")
        guests.label_from_instance = lambda obj: f"{obj.name} · {obj.host.name}"  # type: ignore[method-assign]
        hosts.queryset = hosts_visible_to(owner).order_by("name")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if APIToken.objects.filter(user=self.owner.pk, name=name, revoked_at=None).exists():
            raise forms.ValidationError(_("You have a token of this name. Choose another name, or revoke that one."))
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        chosen = cleaned.get("hosts") or cleaned.get("guests")
        if cleaned.get("reach") == CHOSEN and not chosen and not {"hosts", "guests"} & set(self.errors):
            self.add_error("reach", _("Choose at least one host or guest below."))
        return cleaned

    @property
    def ends_at(self) -> datetime:
        return timezone.now() + timedelta(days=self.cleaned_data["days"])

    def make(self, *, address: str) -> tuple[APIToken, str]:
        """The token and its secret, which is kept nowhere."""
        cleaned = self.cleaned_data
        chosen = {name: list(cleaned[name]) for name in ("guests", "hosts")} if cleaned["reach"] == CHOSEN else {}
        ability = Ability(cleaned["ability"])
        return make_token(self.owner, cleaned["name"], ability, self.ends_at, address=address, **chosen)
