"""What people should know of a guest, and whether it starts with its host. The rules are those of the page's forms."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from dashboard.accounts.recording import address_of
from dashboard.api.changes import ANSWERS, IdempotencyKey, Operations, answer, guest_to_change, refuse_invalid
from dashboard.api.errors import Refused
from dashboard.api.keys import Key
from dashboard.api.operations import Wait
from guests.access import Action
from guests.forms.asking_form import AskingForm
from guests.forms.settings_forms import AutostartForm, DescribeForm
from guests.operations.guest_settings import MOST_DESCRIPTION, MOST_TITLE

router = Router(tags=["Asking for changes"])


class SettingsAsked(BaseModel):
    """What is left out stays."""

    model_config = ConfigDict(extra="forbid")
    title: str | None = Field(None, max_length=MOST_TITLE)
    description: str | None = Field(None, max_length=MOST_DESCRIPTION)
    autostart: bool | None = Field(None, strict=True, description="Whether it starts when its host starts.")


@router.patch("/guests/{uuid:guest_id}/settings", response=ANSWERS, summary="Describe a guest, start it with its host")
def change_settings(
    request: HttpRequest,
    response: HttpResponse,
    guest_id: UUID,
    asked: SettingsAsked,
    wait: Wait = 0.0,
    idempotency_key: IdempotencyKey = None,
) -> Status[Operations]:
    """Asks for one operation, or for two: what it is called first. Answers as switch_power does."""
    guest, user = guest_to_change(request, guest_id, Action.RESIZE, "describe")
    key = Key(user, idempotency_key, guest, "settings", asked)
    operations = key.asked_before()
    if not operations:
        texts = asked.model_dump(include={"title", "description"}, exclude_none=True)
        forms: list[AskingForm] = []
        if texts:
            shown = DescribeForm(guest=guest, by=user).now(guest)
            forms.append(DescribeForm(shown | texts, guest=guest, by=user))
        if asked.autostart is not None:
            forms.append(AutostartForm({"autostart": asked.autostart}, guest=guest, by=user))
        if not forms:
            raise Refused(422, _("Say what should change."))
        for form in forms:
            refuse_invalid(form, {})
        texts_of_key = [f"{key.text}.{number}" if number else key.text for number in range(len(forms))]
        operations = [
            form.ask(key=text, address=address_of(request)) for form, text in zip(forms, texts_of_key, strict=True)
        ]
    return answer(response, operations, wait)
