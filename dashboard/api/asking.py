"""Asking for changes: power, memory and vCPUs. The rules and their sentences are those of the pages' forms."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from dashboard.accounts.recording import address_of
from dashboard.api.changes import ANSWERS, IdempotencyKey, Operations, answer, guest_to_change, refuse_invalid
from dashboard.api.errors import Refused
from dashboard.api.keys import Key
from dashboard.api.operations import Wait
from guests.access import Action, limits_on
from guests.forms import MemoryForm, VCPUsForm
from guests.forms.resize_plan import Standing, memory_standing, vcpus_standing
from guests.operations import ask
from guests.operations.models import Operation
from guests.resources import GuestState
from guests.views.power_acts import ACTS, PowerKind, fitting_acts

router = Router(tags=["Asking for changes"])


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
    guest, user = guest_to_change(request, guest_id, Action.POWER, asked.act)
    key = Key(user, idempotency_key, guest, "power", asked)
    operations = key.asked_before()
    if not operations:
        if asked.act not in fitting_acts(guest):
            names = {"guest": guest.name, "act": ACTS[asked.act].label}
            sentence = _("%(act)s does not fit: look at what %(guest)s does now.") % names
            raise Refused(409, sentence, code="does_not_fit", field="act")
        address = address_of(request)
        operations = [ask(asked.act, guest, by=user, key=key.text, before={"state": guest.state}, address=address)]
    return answer(response, operations, wait)


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
    guest, user = guest_to_change(request, guest_id, Action.RESIZE, "memory")
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
    return answer(response, key.asked_before() or _submitted(request, form, user, names), wait)


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
    guest, user = guest_to_change(request, guest_id, Action.RESIZE, "vcpus")
    key = Key(user, idempotency_key, guest, "vcpus", asked)
    before = asked.before or VCPUsBefore()
    values = {
        **_asked_size(vcpus_standing(guest), asked.current, asked.maximum, keep=asked.keep),
        **_before(before.state, before.current, before.maximum),
        "key": key.text,
    }
    form = VCPUsForm(values, guest=guest, limits=limits_on(user, guest))
    return answer(response, key.asked_before() or _submitted(request, form, user, {}), wait)


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
    refuse_invalid(form, names)
    return form.submit(by=user, address=address_of(request), wait_seconds=0)
