"""How a guest's consoles are shared and recorded, as a form in a dialog of the console's page."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from consoles.console_settings import change_setting, setting_of
from consoles.models import ScreenRecordings, Sharing
from guests.access import Action, guest_for, may

CHECK = {"class": "form-check-input"}


class ConsoleSettingForm(forms.Form):
    """Who may type at once, whether the console's log is always written, and whether screens are recorded."""

    keyboard = forms.ChoiceField(choices=Sharing.choices, widget=forms.RadioSelect(attrs=CHECK), label=_("Who types"))
    record = forms.BooleanField(
        required=False,
        widget=forms.CheckboxInput(attrs=CHECK),
        label=_("Always record the text consoles of this guest"),
    )
    screen = forms.ChoiceField(
        choices=ScreenRecordings.choices,
        widget=forms.RadioSelect(attrs=CHECK),
        label=_("Recording of the graphical console"),
    )

    def __init__(self, *args: Any, may_record_screens: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Who is recorded does not decide that: a disabled field keeps its value whatever is sent.
        self.fields["screen"].disabled = not may_record_screens


@require_http_methods(["GET", "HEAD", "POST"])
def console_setting(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """The form for htmx; who may type may change it, screens only administrators. 204 where it was changed."""
    guest = guest_for(request.user, guest_id, Action.TYPE)
    now = setting_of(guest)
    form = ConsoleSettingForm(
        request.POST or None,
        initial={"keyboard": now.keyboard, "record": now.record, "screen": now.screen},
        may_record_screens=may(request.user, Action.AUDIT, guest),
    )
    if request.method == "POST" and form.is_valid():
        change_setting(
            guest,
            keyboard=Sharing(form.cleaned_data["keyboard"]),
            record=form.cleaned_data["record"],
            screen=ScreenRecordings(form.cleaned_data["screen"]),
            by=request.user,  # type: ignore[arg-type]  # guest_for lets nobody else in
            address=request.META.get("REMOTE_ADDR", ""),
        )
        return (
            HttpResponse(status=204)
            if request.headers.get("HX-Request")
            else redirect("consoles:text-default", guest_id)
        )
    return render(request, "consoles/console_setting.html", {"guest": guest, "form": form})
