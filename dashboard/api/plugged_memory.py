"""Memory beyond a guest's maximum: plugged in, asked for in parts, taken out; by the rules of the page's forms."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import P, PathEx, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from dashboard.accounts.recording import address_of
from dashboard.api.changes import ANSWERS, IdempotencyKey, Operations, answer, guest_to_change, refuse_invalid
from dashboard.api.errors import Refused
from dashboard.api.keys import Key
from dashboard.api.operations import Wait
from guests.access import Action
from guests.forms.plugged_memory_forms import PlugForm, RequestForm, UnplugForm
from guests.inventory.models import Guest
from guests.operations.models import Operation
from guests.views.plugged_rows import PluggedRow, plugged_card

router = Router(tags=["Asking for changes"])
NAMES = {"size": "kib", "requested": "requested_kib"}
DeviceName = PathEx[str, P(max_length=80, description="The device's `name`, as the guest has it under `hotplug`.")]
When = Literal["both", "boot", "now"]


class Timed(BaseModel):
    """When it holds."""

    model_config = ConfigDict(extra="forbid")
    when: When | None = Field(None, description="Left out: now and at the next boot, as far as both are possible.")


class PlugAsked(Timed):
    """One DIMM, which is given whole, or one virtio-mem device."""

    model: Literal["dimm", "virtio-mem"]
    kib: int = Field(strict=True, description="A multiple of 131072.")
    requested_kib: int | None = Field(
        None, strict=True, description="Of virtio-mem: what the guest takes at once; all by default."
    )
    force: bool = Field(False, strict=True, description="Also more than the host has free.")


class RequestAsked(Timed):
    """How much of a virtio-mem device the guest should take."""

    requested_kib: int = Field(strict=True)
    force: bool = Field(False, strict=True, description="Also more than the host has free.")


@router.post("/guests/{uuid:guest_id}/memory/plugged", response=ANSWERS, summary="Plug memory into a guest")
def plug_memory(
    request: HttpRequest,
    response: HttpResponse,
    guest_id: UUID,
    asked: PlugAsked,
    wait: Wait = 0.0,
    idempotency_key: IdempotencyKey = None,
) -> Status[Operations]:
    """Beyond its maximum, where it was booted with room for it. Answers as switch_power does."""
    guest, user = guest_to_change(request, guest_id, Action.RESIZE, "plug_memory")
    key = Key(user, idempotency_key, guest, "plug_memory", asked)
    if not (operations := key.asked_before()):
        card = plugged_card(guest)
        if not (card.is_possible and card.has_room):
            raise Refused(409, card.room, code="no_room")
        times = PlugForm(guest=guest, by=user).times()
        size = {"model": asked.model, "size": _amount(asked.kib), "requested": _amount(asked.requested_kib)}
        values = _values(asked.when, times, asked.force) | size
        operations = _asked(request, PlugForm(values, guest=guest, by=user), key)
    return answer(response, operations, wait)


@router.patch("/guests/{uuid:guest_id}/memory/plugged/{device}", response=ANSWERS, summary="Ask for more or less of it")
def request_memory(
    request: HttpRequest,
    response: HttpResponse,
    guest_id: UUID,
    device: DeviceName,
    asked: RequestAsked,
    wait: Wait = 0.0,
    idempotency_key: IdempotencyKey = None,
) -> Status[Operations]:
    """Of a virtio-mem device, which gives in parts. Answers as switch_power does."""
    guest, user = guest_to_change(request, guest_id, Action.RESIZE, "request_memory")
    key = Key(user, idempotency_key, guest, f"request_memory {device}", asked)
    if not (operations := key.asked_before()):
        row = _row(guest, device)
        if not row.device.in_parts:
            raise Refused(
                409, _("A DIMM is given whole: plug in another, or take it out."), code="not_in_parts", field="device"
            )
        about: dict[str, Any] = {"guest": guest, "by": user, "device": row.device, "rows": _places(row)}
        values = _values(asked.when, RequestForm(**about).times(), asked.force)
        values |= {"name": device, "requested": _amount(asked.requested_kib)}
        operations = _asked(request, RequestForm(values, **about), key)
    return answer(response, operations, wait)


@router.delete(
    "/guests/{uuid:guest_id}/memory/plugged/{device}", response=ANSWERS, summary="Take memory out of a guest"
)
def unplug_memory(
    request: HttpRequest,
    response: HttpResponse,
    guest_id: UUID,
    device: DeviceName,
    when: When | None = None,
    wait: Wait = 0.0,
    idempotency_key: IdempotencyKey = None,
) -> Status[Operations]:
    """While it runs the guest has to let go of it, and may refuse. Answers as switch_power does."""
    guest, user = guest_to_change(request, guest_id, Action.RESIZE, "unplug_memory")
    key = Key(user, idempotency_key, guest, f"unplug_memory {device}", Timed(when=when))
    if not (operations := key.asked_before()):
        row = _row(guest, device)
        about: dict[str, Any] = {"guest": guest, "by": user, "device": row.device, "rows": _places(row)}
        times = UnplugForm(**about).times()
        if not times:
            raise Refused(409, str(UnplugForm(**about).effect), code="not_given_back", field="device")
        values = _values(when, times, force=False) | {"name": device}
        operations = _asked(request, UnplugForm(values, **about), key)
    return answer(response, operations, wait)


def _row(guest: Guest, name: str) -> PluggedRow:
    found = next((row for row in plugged_card(guest).rows if row.device.name == name), None)
    if found is None:
        raise Http404(_("This guest has no such memory (any more)."))
    return found


def _places(row: PluggedRow) -> tuple[bool, bool]:
    return row.is_there, row.is_there_later


def _values(when: str | None, times: list[tuple[str, str]], force: bool) -> dict[str, object]:
    return {"when": when or next(iter(dict(times)), ""), **({"force": True} if force else {})}


def _amount(kib: int | None) -> str:
    return "" if kib is None else f"{kib} KiB"


def _asked(request: HttpRequest, form: PlugForm | RequestForm | UnplugForm, key: Key) -> list[Operation]:
    refuse_invalid(form, NAMES)
    return [form.ask(key=key.text, address=address_of(request))]
