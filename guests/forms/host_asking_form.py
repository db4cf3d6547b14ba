"""A form that asks for one operation on a host."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _

from guests.forms.asking_form import OperationForm
from guests.forms.resize_form import ANSWERING
from guests.inventory.models import Host
from guests.operations import ask_host
from guests.operations.models import Operation


class HostAskingForm(OperationForm):
    """Refused where the host does not answer."""

    def __init__(self, data: Any = None, *, host: Host, by: AbstractBaseUser, initial: Any = None) -> None:
        super().__init__(data, by=by, initial=initial or {})
        self.host = host

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and self.host.state not in ANSWERING:
            self.add_error(None, _("%(host)s does not answer. Nothing was changed.") % {"host": self.host.name})
        return cleaned

    def ask(self, *, key: str, address: str) -> Operation:
        wanted, before = self.parameters(), self.before()
        return ask_host(self.kind, self.host, by=self.by, key=key, parameters=wanted, before=before, address=address)
