"""What all requests for changes share: who may, the answer, and the key that asks for it once."""

from __future__ import annotations

import time
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from ninja import HeaderEx, P, Status
from pydantic import BaseModel

from dashboard.accounts.recording import address_of
from dashboard.api.errors import ErrorAnswer, Refused
from dashboard.api.operations import OperationShape
from guests.access import ACTIONS, Action, guest_for, may
from guests.access.tokens import token_of
from guests.audit import RecordedDenial, record
from guests.inventory.models import Guest
from guests.operations import wait_for_end
from guests.operations.models import Operation

IdempotencyKey = HeaderEx[
    str | None,
    P(
        alias="Idempotency-Key",
        max_length=200,
        description="Of your choice, one for each change: sent again with the same key, it is asked for once.",
    ),
]


class Operations(BaseModel):
    """What was asked for, in the order in which it is done."""

    operations: list[OperationShape]


ANSWERS: dict[int | frozenset[int], type[BaseModel]] = {
    200: Operations,
    202: Operations,
    frozenset({400, 401, 403, 404, 409, 422, 429}): ErrorAnswer,
}


def guest_to_change(request: HttpRequest, guest_id: UUID, action: Action, what: str) -> tuple[Guest, AbstractBaseUser]:
    """The guest, and who asks. Http404 for one that may not be seen; PermissionDenied, recorded, for the rest."""
    guest, user = guest_for(request.user, guest_id), request.user
    assert isinstance(user, AbstractBaseUser)
    if not may(user, action, guest):
        record(f"guest.{what}", by=user, guest=guest, outcome="denied", address=address_of(request))
        token = token_of(user)
        if token and not token.gives(ACTIONS[action]):
            raise RecordedDenial(_("This token may only read. Make one that may also operate."))
        raise RecordedDenial(_("You may look at this guest, but not do this."))
    return guest, user


def refuse_invalid(form: BaseForm, names: dict[str, str]) -> None:
    """Refused (422) at the field that the form finds wrong first; `names`: form's field → the API's."""
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        raise Refused(422, str(errors[0]), field=names.get(field, field))


def answer(response: HttpResponse, operations: list[Operation], wait: float) -> Status[Operations]:
    """What was asked for, after at most `wait` seconds; the first one's address in Location."""
    deadline = time.monotonic() + wait
    for operation in operations:
        wait_for_end(operation, deadline - time.monotonic())
    response["Location"] = reverse("api-1:show_operation", args=[operations[0].pk])
    shapes = [OperationShape.of(operation) for operation in operations]
    return Status(200 if all(operation.is_over for operation in operations) else 202, Operations(operations=shapes))
