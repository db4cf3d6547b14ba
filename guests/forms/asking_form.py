"""Forms that ask for one operation, wait a moment for its end, and show a refusal at its field."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied

from guests.inventory.models import Guest
from guests.operations import ask, new_key, wait_for_end
from guests.operations.models import Operation, OperationState

WAIT_SECONDS = 2.0


class OperationForm(forms.Form):
    """What those on a guest and those on a host have in common; `kind` is the operation."""

    kind: ClassVar[str] = ""
    wait_seconds: ClassVar[float] = WAIT_SECONDS

    key = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(self, data: Any, *, by: AbstractBaseUser, initial: dict[str, Any]) -> None:
        super().__init__(data, auto_id=f"{self.kind}-%s", initial={**initial, "key": new_key()})
        self.by = by

    def before(self) -> dict[str, Any]:
        """What the worker must still find."""
        return {}

    def parameters(self) -> dict[str, Any]:
        """What is wanted, of a valid form."""
        return {name: value for name, value in self.cleaned_data.items() if name != "key"}

    def submit(self, *, address: str = "") -> Operation | None:
        """Ask, and wait a moment; None where it was refused, which then stands at the field."""
        try:
            operation = self.ask(key=self.cleaned_data["key"] or new_key(), address=address)
        except PermissionDenied as refusal:
            self.add_error(None, str(refusal))
            return None
        wait_for_end(operation, self.wait_seconds)
        if operation.state in {OperationState.FAILED, OperationState.DENIED}:
            self.add_error(operation.field if operation.field in self.fields else None, operation.message)
            return None
        return operation

    def ask(self, *, key: str, address: str) -> Operation:
        """Queue it, of a valid form."""
        raise NotImplementedError

    def renew(self) -> None:
        """Before it is shown again: it is a new form."""
        self.data = {**self.data.dict(), "key": new_key()} if hasattr(self.data, "dict") else self.data


class AskingForm(OperationForm):
    """On a guest; `guest.host` must be loaded."""

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, by=by, initial=self.now(guest))
        self.guest = guest

    def now(self, guest: Guest) -> dict[str, Any]:
        """What the fields show before anything is typed."""
        return {}

    def before(self) -> dict[str, Any]:
        """What the worker must still find: what the form showed."""
        return self.now(self.guest)

    def ask(self, *, key: str, address: str) -> Operation:
        wanted, before = self.parameters(), self.before()
        return ask(self.kind, self.guest, by=self.by, key=key, parameters=wanted, before=before, address=address)
