"""What is typed about people and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib.auth import password_validation
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from dashboard.accounts.people.acts import random_password

if TYPE_CHECKING:
    _PersonForm = forms.ModelForm[User]
    _GroupForm = forms.ModelForm[Group]
else:
    _PersonForm = _GroupForm = forms.ModelForm

_PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class PersonForm(_PersonForm):
    """Name, state and groups. Only a superuser is asked who is one."""

    groups = forms.ModelMultipleChoiceField(
        Group.objects.order_by("name"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Groups"),
    )

    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email", "is_active", "is_superuser"]
        labels = {
            "username": pgettext_lazy("of an account", "Name"),
            "is_active": gettext_lazy("May sign in"),
            "is_superuser": gettext_lazy("Superuser: may everything, without any role"),
        }
        help_texts = {"username": "", "is_active": "", "is_superuser": ""}

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs = {**_PLAIN, "maxlength": "150"}
        if not by.is_superuser:
            del self.fields["is_superuser"]
        if self.instance.pk:
            self.fields["groups"].initial = list(self.instance.groups.all())

    @property
    def chosen_groups(self) -> list[Group]:
        """As ticked."""
        return list(self.cleaned_data["groups"])


class PasswordForm(forms.Form):
    """A password for somebody else; left empty, a random one that is shown once; or none at all."""

    password = forms.CharField(
        required=False,
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        label=gettext_lazy("Password"),
        help_text=gettext_lazy("12 characters or more. Left empty, a random one is made and shown once."),
    )

    elsewhere = forms.BooleanField(
        required=False, label=gettext_lazy("No password here: signs in through another place")
    )

    def __init__(self, *args: Any, person: User | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person
        if not (settings.OIDC_URL or settings.LDAP_URL):
            del self.fields["elsewhere"]

    @property
    def chosen(self) -> str | None:
        """The password that was typed, a random one, or None for none."""
        if self.cleaned_data.get("elsewhere"):
            return None
        return self.cleaned_data["password"] or random_password()

    @property
    def is_to_be_shown(self) -> bool:
        """Whether the password was made here."""
        return not (self.cleaned_data["password"] or self.cleaned_data.get("elsewhere"))

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if password:
            password_validation.validate_password(password, self.person)
        return password


class GroupForm(_GroupForm):
    """A group's name."""

    class Meta:
        model = Group
        fields = ["name"]
        labels = {"name": pgettext_lazy("of an account", "Name")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs |= {"autocomplete": "off"}


class MemberForm(forms.Form):
    """Somebody to be put into a group."""

    username = forms.CharField(max_length=150, label=pgettext_lazy("of an account", "Name"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs |= _PLAIN

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.person = User.objects.filter(username=cleaned.get("username", "")).first()
        if "username" in cleaned and self.person is None:
            raise ValidationError({"username": _("There is nobody of this name.")})
        return cleaned
