"""Asking for changes: power, memory and vCPUs. The rules and their sentences are those of the pages' forms."""

from __future__ import annotations

import time
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from ninja import HeaderEx, P, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from dashboard.accounts.recording import address_of
from dashboard.api.errors import ErrorAnswer, Refused
from dashboard.api.keys import Key
from dashboard.api.operations import OperationShape, Wait
from guests.access import ACTIONS, Action, guest_for, limits_on, may
from guests.access.tokens import token_of
from guests.audit import RecordedDenial, record
from guests.forms import MemoryForm, VCPUsForm
from guests.forms.resize_plan import Standing, memory_standing, vcpus_standing
from guests.inventory.models import Guest
from guests.operations import ask, wait_for_end
from guests.operations.models import Operation
from guests.resources import GuestState
from guests.views.power_acts import ACTS, PowerKind, fitting_acts

router = Router(tags=["Asking for changes"])
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


class PowerAsked(BaseModel):
    """One power act."""

    model_config = ConfigDict(extra="forbid")
    act: PowerKind


class MemoryBefore(BaseModel):
    """What you decided on: where the guest has something else by now, nothing is changed."""

    model_config = ConfigDict(extra="forbid")
    state: GuestState | None = None
    current_kib: int | None = Field(None, strict=True)
    maximum_kib: int | None = Field(None, strict=True, description="Of the next boot.")


class MemoryAsked(BaseModel):
    """What is left out stays. Current memory moves at once up to the maximum; the maximum is the next boot's."""

    model_config = ConfigDict(extra="forbid")
    current_kib: int | None = Field(None, strict=True)
    maximum_kib: int | None = Field(None, strict=True)
    keep: bool = Field(True, strict=True, description="Set the current memory for the next boot, too.")
    force: bool = Field(False, strict=True, description="Also below what the guest uses, or above what is free.")
    before: MemoryBefore | None = None


class VCPUsBefore(BaseModel):
    """What you decided on: where the guest has something else by now, nothing is changed."""

    model_config = ConfigDict(extra="forbid")
    state: GuestState | None = None
    current: int | None = Field(None, strict=True)
    maximum: int | None = Field(None, strict=True, description="Of the next boot.")


class VCPUsAsked(BaseModel):
    """What is left out stays. More come at once up to the maximum of a running guest; fewer with the next boot."""

    model_config = ConfigDict(extra="forbid")
    current: int | None = Field(None, strict=True)
    maximum: int | None = Field(None, strict=True)
    keep: bool = Field(True, strict=True, description="Set the current number for the next boot, too.")
    before: VCPUsBefore | None = None


@router.post("/guests/{uuid:guest_id}/power", response=ANSWERS, summary="Switch a guest on or off, pause, resume")
def switch_power(
    request: HttpRequest,
    response: HttpResponse,
    guest_id: UUID,
    asked: PowerAsked,
    wait: Wait = 0.0,
    idempotency_key: IdempotencyKey = None,
) -> Status[Operations]:
    """Answers 202 with an operation that is under way, or 200 with one that is over: look at its state."""
    guest, user = _guest(request, guest_id, Action.POWER, asked.act)
    key = Key(user, idempotency_key, guest, "power", asked)
    operations = key.asked_before()
    if not operations:
        if asked.act not in fitting_acts(guest):
            names = {"guest": guest.name, "act": ACTS[asked.act].label}
            sentence = _("%(act)s does not fit: look at what %(guest)s does now.") % names
            raise Refused(409, sentence, code="does_not_fit", field="act")
        address = address_of(request)
        operations = [ask(asked.act, guest, by=user, key=key.text, before={"state": guest.state}, address=address)]
    return _answer(response, operations, wait)


@router.post("/guests/{uuid:guest_id}/memory", response=ANSWERS, summary="Resize the memory of a guest")
def resize_memory(
    request: HttpRequest,
    response: HttpResponse,
    guest_id: UUID,
    asked: MemoryAsked,
    wait: Wait = 0.0,
    idempotency_key: IdempotencyKey = None,
) -> Status[Operations]:
    """Asks for one operation, or for two: the maximum first. Answers as switch_power does."""
    guest, user = _guest(request, guest_id, Action.RESIZE, "memory")
    key = Key(user, idempotency_key, guest, "memory", asked)
    before = asked.before or MemoryBefore()
    values = {
        **_asked_size(memory_standing(guest), asked.current_kib, asked.maximum_kib, keep=asked.keep),
        **_before(before.state, before.current_kib, before.maximum_kib),
        "current_unit": "KiB",
        "maximum_unit": "KiB",
        "force": asked.force,
        "key": key.text,
    }
    form = MemoryForm(values, guest=guest, limits=limits_on(user, guest))
    names = {"current": "current_kib", "maximum": "maximum_kib"}
    return _answer(response, key.asked_before() or _submitted(request, form, user, names), wait)


@router.post("/guests/{uuid:guest_id}/vcpus", response=ANSWERS, summary="Change the vCPUs of a guest")
def resize_vcpus(
    request: HttpRequest,
    response: HttpResponse,
    guest_id: UUID,
    asked: VCPUsAsked,
    wait: Wait = 0.0,
    idempotency_key: IdempotencyKey = None,
) -> Status[Operations]:
    """Asks for one operation, or for two: the maximum first. Answers as switch_power does."""
    guest, user = _guest(request, guest_id, Action.RESIZE, "vcpus")
    key = Key(user, idempotency_key, guest, "vcpus", asked)
    before = asked.before or VCPUsBefore()
    values = {
        **_asked_size(vcpus_standing(guest), asked.current, asked.maximum, keep=asked.keep),
        **_before(before.state, before.current, before.maximum),
        "key": key.text,
    }
    form = VCPUsForm(values, guest=guest, limits=limits_on(user, guest))
    return _answer(response, key.asked_before() or _submitted(request, form, user, {}), wait)


def _guest(request: HttpRequest, guest_id: UUID, action: Action, what: str) -> tuple[Guest, AbstractBaseUser]:
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


def _asked_size(standing: Standing, current: int | None, maximum: int | None, *, keep: bool) -> dict[str, object]:
    """The fields of a form. A current value that is left out stays as it is, now and at the next boot."""
    if current is None:
        boot, current = standing.next_boot, standing.shown.current
        keep = boot is not None and boot.current == current
    return {"current": current, "maximum": "" if maximum is None else maximum, "keep": keep}


def _before(state: GuestState | None, current: int | None, maximum: int | None) -> dict[str, object]:
    """The fields in which a form keeps what it showed, those that were sent."""
    sent = {"before_state": state and state.value, "before_current": current, "before_maximum": maximum}
    return {name: value for name, value in sent.items() if value is not None}


def _submitted(
    request: HttpRequest, form: MemoryForm | VCPUsForm, user: AbstractBaseUser, names: dict[str, str]
) -> list[Operation]:
    """Ask for what the form plans; Refused (422) at the field that it finds wrong, as the API calls it."""
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        raise Refused(422, str(errors[0]), field=names.get(field, field))
    return form.submit(by=user, address=address_of(request), wait_seconds=0)


def _answer(response: HttpResponse, operations: list[Operation], wait: float) -> Status[Operations]:
    """What was asked for, after at most `wait` seconds; the first one's address in Location."""
    deadline = time.monotonic() + wait
    for operation in operations:
        wait_for_end(operation, deadline - time.monotonic())
    response["Location"] = reverse("api-1:show_operation", args=[operations[0].pk])
    shapes = [OperationShape.of(operation) for operation in operations]
    return Status(200 if all(operation.is_over for operation in operations) else 202, Operations(operations=shapes))
