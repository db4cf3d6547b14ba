"""A form that asks for one operation on a host, waits a moment for its end, and shows a refusal at its field."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from guests.forms.asking_form import WAIT_SECONDS
from guests.forms.resize_form import ANSWERING
from guests.inventory.models import Host
from guests.operations import ask_host, new_key, wait_for_end
from guests.operations.models import Operation, OperationState


class HostAskingForm(forms.Form):
    """`kind` is the operation."""

    kind: ClassVar[str] = ""

    key = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, host: Host, by: AbstractBaseUser, initial: Any = None) -> None:
        super().__init__(data, auto_id=f"{self.kind}-%s", initial={**(initial or {}), "key": new_key()})
        self.host, self.by = host, by

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and self.host.state not in ANSWERING:
            self.add_error(None, _("%(host)s does not answer. Nothing was changed.") % {"host": self.host.name})
        return cleaned

    def before(self) -> dict[str, Any]:
        """What the worker must still find."""
        return {}

    def parameters(self) -> dict[str, Any]:
        """What is wanted, of a valid form."""
        return {name: value for name, value in self.cleaned_data.items() if name != "key"}

    def submit(self, *, address: str = "") -> Operation | None:
        """Ask, and wait a moment; None where it was refused, which then stands at the field."""
        try:
            operation = ask_host(
                self.kind,
                self.host,
                by=self.by,
                key=self.cleaned_data["key"] or new_key(),
                parameters=self.parameters(),
                before=self.before(),
                address=address,
            )
        except PermissionDenied as refusal:
            self.add_error(None, str(refusal))
            return None
        wait_for_end(operation, WAIT_SECONDS)
        if operation.state in {OperationState.FAILED, OperationState.DENIED}:
            self.add_error(operation.field if operation.field in self.fields else None, operation.message)
            self.data = {**self.data.dict(), "key": new_key()} if hasattr(self.data, "dict") else self.data
            return None
        return operation
