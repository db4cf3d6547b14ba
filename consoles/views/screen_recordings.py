"""Recordings of a guest's graphical console: listed, played back, downloaded, deleted. Whoever may watch may look."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from consoles.console_settings import setting_of
from consoles.models import ScreenRecording
from consoles.text.log_client import LogUnavailable, see_that_it_answers, stream_log
from guests import audit
from guests.access import Action, guest_for, may
from guests.inventory.changes import Feed, next_revision
from guests.inventory.models import Guest

PAGE_SIZE = 50
DEVICE = "screen"  # where a text console has a device's name


@require_safe
def recordings(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Who was recorded when, newest first."""
    guest = guest_for(request.user, guest_id, Action.WATCH)
    page = Paginator(guest.screen_recordings.all(), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "section": "guests",
        "guest": guest,
        "page": page,
        "setting": setting_of(guest),
        "may_delete": may(request.user, Action.AUDIT, guest),
    }
    return render(request, "consoles/screen_recordings.html", context)


@require_safe
def recording(request: HttpRequest, guest_id: UUID, recording_id: UUID) -> HttpResponse:
    """The player."""
    guest, found = _found(request, guest_id, recording_id, Action.WATCH)
    return render(request, "consoles/screen_recording.html", {"section": "guests", "guest": guest, "recording": found})


@require_safe
def play(request: HttpRequest, guest_id: UUID, recording_id: UUID) -> HttpResponseBase:
    """The file for the player."""
    return _content(request, guest_id, recording_id, "play")


@require_safe
def download(request: HttpRequest, guest_id: UUID, recording_id: UUID) -> HttpResponseBase:
    """The file for keeps; `consoles.vnc.recording_file` says what is in it."""
    return _content(request, guest_id, recording_id, "download")


@require_POST
def delete(request: HttpRequest, guest_id: UUID, recording_id: UUID) -> HttpResponse:
    """For good, by an administrator of the guest; one that still grows is not deleted."""
    guest, found = _found(request, guest_id, recording_id, Action.AUDIT)
    if found.ended_at is None:
        messages.error(request, _("Nothing was deleted: this recording still goes on."))
        return redirect("consoles:recordings", guest.pk)
    with transaction.atomic():
        audit.record(
            "console.recording_delete",
            by=request.user,
            guest=guest,
            address=request.META.get("REMOTE_ADDR", ""),
            recording=str(found.pk),
            recorded=found.user_name,
            started=found.started_at.isoformat(),
        )
        found.delete()
        next_revision(Feed.CONSOLES)  # the console server removes the file
    messages.success(request, _("The recording was deleted."))
    return redirect("consoles:recordings", guest.pk)


def _found(request: HttpRequest, guest_id: UUID, recording_id: UUID, action: Action) -> tuple[Guest, ScreenRecording]:
    guest = guest_for(request.user, guest_id, action)
    found = guest.screen_recordings.filter(pk=recording_id).first()
    if found is None:
        raise Http404(_("There is no such recording."))
    return guest, found


def _content(request: HttpRequest, guest_id: UUID, recording_id: UUID, form: str) -> HttpResponseBase:
    guest, found = _found(request, guest_id, recording_id, Action.WATCH)
    try:
        see_that_it_answers()
    except LogUnavailable as error:
        return JsonResponse({"sentence": str(error)}, status=503)
    audit.record(
        "console.export",
        by=request.user,
        guest=guest,
        address=request.META.get("REMOTE_ADDR", ""),
        device=DEVICE,
        form=form,
        recording=str(found.pk),
    )
    response = StreamingHttpResponse(
        stream_log("screen", guest.pk, DEVICE, recording=str(found.pk)), content_type="application/octet-stream"
    )
    response["Cache-Control"] = "no-store"
    if form == "download":
        name = f"{slugify(guest.name) or 'guest'}-{found.started_at:%Y%m%d-%H%M%S}.rfb"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
