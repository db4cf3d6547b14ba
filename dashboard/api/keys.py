"""Idempotency keys: a change that is sent again, because an answer was lost, is asked for once."""

from __future__ import annotations

import hashlib
import json

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from pydantic import BaseModel

from dashboard.api.errors import Refused
from guests.access.tokens import token_of
from guests.inventory.models import Guest
from guests.operations import new_key
from guests.operations.models import Operation


class Key:
    """An idempotency key of one token: `text` is the queue's, which also tells what was asked with it."""

    def __init__(self, user: AbstractBaseUser, given: str | None, guest: Guest, what: str, asked: BaseModel) -> None:
        token = token_of(user)
        content = json.dumps([str(guest.pk), what, asked.model_dump(mode="json")], sort_keys=True)
        self.user, self.given = user, given
        self._mine = _hash(f"{token.pk if token else ''}:{given or new_key()}")[:36]
        self.text = f"{self._mine}.{_hash(content)[:16]}"

    def asked_before(self) -> list[Operation]:
        """What this key asked for; Refused (409) where that was something else."""
        if not self.given:
            return []
        found = Operation.objects.select_related("guest", "host").filter(
            asked_by=self.user.pk, idempotency_key__startswith=f"{self._mine}."
        )
        operations = list(found.order_by("asked_at"))
        if any(not operation.idempotency_key.startswith(self.text) for operation in operations):
            sentence = _("This Idempotency-Key was used for something else. Take a new one for each change.")
            raise Refused(409, sentence, code="key_used", field="Idempotency-Key")
        return operations


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
