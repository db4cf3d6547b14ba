"""Giving a role: from a guest's page to somebody who is named, or from a person's or group's page on what is named."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, Group
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from guests.access import UNLIMITED, Grant, Limits, Role, Scope, grant
from guests.access.granting import Holder, Object, holds
from guests.access.naming import guests_called
from guests.forms.amounts import UnreadableAmount, parse_amount
from guests.forms.memory_form import UNREADABLE
from guests.inventory.models import Guest, Host, Tag


class GrantForm(forms.Form):
    """The role and how far it reaches; the two below say to whom and on what."""

    role = forms.ChoiceField(choices=Role.choices, label=gettext_lazy("Role"))
    largest_memory = forms.CharField(
        max_length=40,
        required=False,
        label=gettext_lazy("Largest memory"),
        help_text=gettext_lazy("For operators: 8 GiB, or empty for no limit."),
    )
    largest_vcpus = forms.IntegerField(
        min_value=1,
        max_value=4096,
        required=False,
        label=gettext_lazy("Most vCPUs"),
        help_text=gettext_lazy("For operators: a number, or empty for no limit."),
    )
    field_order: Any = ["kind", "name", "scope", "on", "role", "largest_memory", "largest_vcpus"]

    def __init__(self, data: Any = None, *, by: AbstractBaseUser, **options: Any) -> None:
        super().__init__(data, auto_id="grant-%s", **options)
        self.by = by
        for name in ("largest_memory", "largest_vcpus"):
            self.fields[name].widget.attrs["autocomplete"] = "off"

    def clean_largest_memory(self) -> int | None:
        text = self.cleaned_data["largest_memory"]
        try:
            return parse_amount(text, "GiB") if text else None
        except UnreadableAmount as error:
            raise forms.ValidationError(UNREADABLE[error.reason]) from error

    @property
    def limits(self) -> Limits:
        """As typed."""
        return Limits(self.cleaned_data.get("largest_memory"), self.cleaned_data.get("largest_vcpus"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and self.limits != UNLIMITED and cleaned["role"] != Role.OPERATOR:
            field = "largest_memory" if self.limits.memory_kib else "largest_vcpus"
            self.add_error(
                field, _("Only operators have limits: watchers resize nothing, administrators without a limit.")
            )
        return cleaned

    def give(self, to: Holder, on: Object, address: str) -> Grant:
        """Do it; PermissionDenied where the giver is no administrator of the object."""
        role = Role(self.cleaned_data["role"])
        return grant(role, to, on, by=self.by, limits=self.limits, address=address)


class GrantOnGuestForm(GrantForm):
    """On a guest's page: somebody by name; on the guest, or on more of what it belongs to that the giver holds."""

    kind = forms.ChoiceField(
        choices=[("user", gettext_lazy("Person")), ("group", gettext_lazy("Group"))], label=gettext_lazy("To a")
    )
    name = forms.CharField(max_length=150, label=pgettext_lazy("of an account", "Name"))
    on = forms.ChoiceField(label=gettext_lazy("On"))

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, by=by)
        tags = list(guest.tags.all())
        self.objects: dict[str, Object] = {"guest": guest, "host": guest.host}
        self.objects |= {f"tag-{tag.name}": tag for tag in tags} | {"everything": None}
        labels = {"guest": _("this guest"), "host": _("every guest of %(host)s") % {"host": guest.host.name}}
        labels |= {f"tag-{tag.name}": _("every guest with the tag %(tag)s") % {"tag": tag.name} for tag in tags}
        labels["everything"] = _("everything")
        on = self.fields["on"]
        assert isinstance(on, forms.ChoiceField)
        on.choices = [(key, labels[key]) for key, what in self.objects.items() if key == "guest" or holds(by, what)]
        self.fields["name"].widget.attrs |= {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        kind, name = cleaned.get("kind"), cleaned.get("name")
        if not kind or not name:
            return cleaned
        if kind == "group":
            self.holder: Holder | None = Group.objects.filter(name=name).first()
            missing = _("There is no group of this name.")
        else:
            self.holder = get_user_model().objects.filter(username=name).first()
            missing = _("There is nobody of this name.")
        if self.holder is None:
            self.add_error("name", missing)
        return cleaned

    def submit(self, *, address: str) -> Grant:
        """Give it."""
        assert self.holder is not None
        return self.give(self.holder, self.objects[self.cleaned_data["on"]], address)


class GrantToHolderForm(GrantForm):
    """On a person's or a group's page: on what is named."""

    scope = forms.ChoiceField(choices=Scope.choices, label=gettext_lazy("On"))
    on = forms.CharField(
        max_length=255,
        required=False,
        label=gettext_lazy("Which"),
        help_text=gettext_lazy("The name of the host, tag or guest; a guest's id where several have that name."),
    )

    def __init__(self, data: Any = None, *, holder: Holder, by: AbstractBaseUser) -> None:
        super().__init__(data, by=by)
        self.holder = holder
        self.object: Object = None
        self.fields["on"].widget.attrs |= {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        scope, name = cleaned.get("scope"), (cleaned.get("on") or "").strip()
        if scope in (None, Scope.EVERYTHING):
            return cleaned
        if not name:
            self.add_error("on", _("Name it."))
        elif scope == Scope.HOST:
            self._found(Host.objects.filter(name=name).first(), _("There is no host of this name."))
        elif scope == Scope.TAG:
            self._found(Tag.objects.filter(name=name).first(), _("No guest has this tag yet: tag one first."))
        else:
            guests = guests_called(name)
            if len(guests) > 1:
                self.add_error("on", _("Several guests have this name: give the id of the one that you mean."))
            else:
                self._found(next(iter(guests), None), _("There is no guest of this name or id."))
        return cleaned

    def _found(self, what: Object, missing: str) -> None:
        self.object = what
        if what is None:
            self.add_error("on", missing)

    def submit(self, *, address: str) -> Grant:
        """Give it."""
        return self.give(self.holder, self.object, address)
