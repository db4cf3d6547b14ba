"""The log of a text console: searched, read, downloaded and played back. Whoever may watch the console may."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from consoles.text.log_client import LogUnavailable, ask_log, see_that_it_answers, stream_log
from guests import audit
from guests.access import Action, guest_for
from guests.inventory.models import Guest

SEARCH_CHARACTERS = 200
View = Callable[[HttpRequest, Guest, str], HttpResponseBase]


def _log_view(view: View) -> Callable[[HttpRequest, UUID, str], HttpResponseBase]:
    """The guest that may be watched, a device's name, and 503 where the console server is away."""

    @wraps(view)
    @require_safe
    def checked(request: HttpRequest, guest_id: UUID, device: str) -> HttpResponseBase:
        guest = guest_for(request.user, guest_id, Action.WATCH)
        if not device.isalnum() or not device.isascii() or len(device) > 20:
            raise Http404(_("This guest has no such text console."))
        try:
            return view(request, guest, device)
        except LogUnavailable as error:
            return JsonResponse({"sentence": str(error)}, status=503)

    return checked


def _number(request: HttpRequest, name: str) -> float | None:
    """A parameter that is a number from 0 on; None where it is missing or odd."""
    try:
        value = float(request.GET.get(name, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value < 2**53 else None


@_log_view
def overview(request: HttpRequest, guest: Guest, device: str) -> HttpResponse:
    """JSON: size, first and last time, activity in 200 pieces of the time between, marks."""
    return JsonResponse(ask_log("overview", guest.pk, device))


@_log_view
def search(request: HttpRequest, guest: Guest, device: str) -> HttpResponse:
    """?q=…&before=offset: the newest lines that hold it. JSON {hits: [{at, offset, text}], before}, or a fragment."""
    words = request.GET.get("q", "").strip()[:SEARCH_CHARACTERS]
    found: dict[str, Any] = {"hits": [], "before": 0}
    if words:
        before = int(_number(request, "before") or 0)
        found = ask_log("search", guest.pk, device, text=words, before=before)
    if not request.headers.get("HX-Request"):
        return JsonResponse(found)
    hits = [hit | {"time": datetime.fromtimestamp(hit["at"], UTC)} for hit in found["hits"]]
    context = {"guest": guest, "device": device, "words": words, "hits": hits, "before": found["before"]}
    return render(request, "consoles/console_log_hits.html", context)


@_log_view
def lines(request: HttpRequest, guest: Guest, device: str) -> HttpResponse:
    """?start=offset&limit=bytes: JSON {start, end, lines: [{at, offset, text}]}."""
    start, limit = int(_number(request, "start") or 0), int(_number(request, "limit") or 64 * 1024)
    return JsonResponse(ask_log("range", guest.pk, device, start=start, limit=limit))


@_log_view
def as_text(request: HttpRequest, guest: Guest, device: str) -> HttpResponseBase:
    """A download: as a reader sees it, or with ?raw=1 every byte. ?since=…&until=… are Unix times."""
    raw = request.GET.get("raw") == "1"
    return _download(request, guest, device, "raw" if raw else "text", "text/plain; charset=utf-8", "txt")


@_log_view
def as_cast(request: HttpRequest, guest: Guest, device: str) -> HttpResponseBase:
    """A download for asciinema: asciicast v2."""
    return _download(request, guest, device, "cast", "application/x-asciicast", "cast")


@_log_view
def play(request: HttpRequest, guest: Guest, device: str) -> HttpResponseBase:
    """The same for our own player: marks are events "m", times count from the first event."""
    return _download(request, guest, device, "cast", "application/x-asciicast", "")


def _download(
    request: HttpRequest, guest: Guest, device: str, ask: str, content_type: str, suffix: str
) -> HttpResponseBase:
    see_that_it_answers()
    span = {"since": _number(request, "since"), "until": _number(request, "until")}
    audit.record(
        "console.export",
        by=request.user,
        guest=guest,
        address=request.META.get("REMOTE_ADDR", ""),
        device=device,
        form=ask if suffix else "play",
        **{name: value for name, value in span.items() if value is not None},  # type: ignore[arg-type]
    )
    content = stream_log(ask, guest.pk, device, title=f"{guest.name} {device}", **span)
    response = StreamingHttpResponse(content, content_type=content_type)
    response["Cache-Control"] = "no-store"
    if suffix:
        name = f"{slugify(guest.name) or 'guest'}-{device}.{suffix}"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
