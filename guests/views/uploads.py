"""A file from the browser becomes a volume, piece by piece; and a volume goes to the browser."""

from __future__ import annotations

import re
from urllib.parse import quote
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from guests.access.storage import pool_for, pools_held, volume_for
from guests.audit import record
from guests.forms.asking_form import WAIT_SECONDS
from guests.hypervisor.volume_streams import PIECE_BYTES
from guests.inventory.storage import Pool, Volume
from guests.inventory.volume_uses import uses_of, uses_on
from guests.operations import ask_host, new_key, wait_for_end
from guests.operations.models import Operation, OperationState
from guests.operations.upload_models import Upload
from guests.operations.uploads import parameters_of
from guests.operations.volume_wire import TransferFailed, read_range, send_piece
from guests.operations.volumes import formats_in
from guests.views.guest_cards import signed_in

BEGIN_SECONDS = 20.0  # how long the making of the volume may take before the browser is told to ask again
RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})?")


@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest, pool_id: int) -> HttpResponse:
    """The page; POST begins an upload, or goes on with one of the same file, and answers JSON."""
    pool = pool_for(request.user, pool_id)
    if request.method == "POST":
        return _begin(request, pool)
    context = {"section": "hosts", "pool": pool, "formats": formats_in(pool), "piece_bytes": PIECE_BYTES}
    return render(request, "guests/upload.html", context)


@require_http_methods(["GET", "HEAD", "PUT"])
def piece(request: HttpRequest, upload_id: UUID) -> JsonResponse:
    """How much the host has; PUT ?offset= adds the body to it."""
    found = _upload(request, upload_id)
    if found.by_id != request.user.pk:
        raise Http404(_("No such upload."))
    if request.method != "PUT":
        return JsonResponse(_told(found))
    offset, length = request.GET.get("offset", ""), request.META.get("CONTENT_LENGTH") or "0"
    if not (offset.isascii() and offset.isdigit() and len(offset) < 16) or not 0 < int(length) <= PIECE_BYTES:
        return _refused(_("The browser sent a piece that is none."), 400)
    try:
        received = send_piece(found.pool.host_id, found.pk, int(offset), int(length), request.read)
    except TransferFailed as error:
        return _refused(str(error), 503 if error.received is None else 409, received=error.received)
    return JsonResponse({"received": received, "size": found.size_bytes})


@require_POST
def finish(request: HttpRequest, upload_id: UUID) -> JsonResponse:
    """All of it is there: it is looked at, and becomes what was said."""
    found = _upload(request, upload_id)
    operation = _ask(request, "finish_upload", found, BEGIN_SECONDS)
    if operation.state != OperationState.DONE:
        return _refused(operation.message or _("It was asked for, and is under way."), 409)
    messages.success(request, _("%(name)s was uploaded.") % {"name": found.name})
    volume = Volume.objects.filter(pool=found.pool_id, name=found.name).first()
    return JsonResponse({"url": volume.get_absolute_url() if volume else found.pool.get_absolute_url()})


@require_POST
def cancel(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Delete what came so far."""
    found = _upload(request, upload_id)
    operation = _ask(request, "cancel_upload", found, WAIT_SECONDS)
    if operation.state == OperationState.DONE:
        messages.success(request, _("The upload of %(name)s was cancelled.") % {"name": found.name})
    else:
        messages.error(request, operation.message or _("It was asked for, and is under way."))
    return redirect(found.pool)


@require_safe
def download(request: HttpRequest, volume_id: int) -> HttpResponseBase:
    """The content of a volume; a range of it, so that a browser goes on where it was cut off."""
    found = volume_for(request.user, volume_id)
    if any(use.now and not use.shareable for use in uses_of(found, uses_on(found.pool.host))):
        messages.error(request, _("A running guest writes into it: shut it down first."))
        return redirect("guests:volume", found.pk)
    tag = f'"{found.pk}-{found.revision}"'
    offset, length = _wanted(request, tag)
    if request.method == "HEAD":
        offset, length = 0, 0
    else:
        record(
            "storage.download",
            by=request.user,
            host=found.pool.host,
            address=str(request.META.get("REMOTE_ADDR", "")),
            volume=f"{found.pool.name}/{found.name}",
            offset=offset or 0,
        )
    try:
        told = read_range(found.pool.host_id, found.pool.uuid, found.name, offset or 0, length)
    except TransferFailed as error:
        messages.error(request, str(error))
        return redirect("guests:volume", found.pk)
    response = StreamingHttpResponse(told.blocks, content_type="application/octet-stream")
    response["Content-Length"] = str(told.size if request.method == "HEAD" else told.length)
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(found.name, safe='')}"
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = tag
    response["Cache-Control"] = "no-store"
    if offset is not None and request.method != "HEAD":
        response.status_code = 206 if told.length else 416
        end = offset + told.length - 1
        response["Content-Range"] = f"bytes {offset}-{end}/{told.size}" if told.length else f"bytes */{told.size}"
    return response


def _begin(request: HttpRequest, pool: Pool) -> JsonResponse:
    name, size = request.POST.get("name", ""), request.POST.get("size", "")
    fingerprint, format = request.POST.get("fingerprint", "")[:64], request.POST.get("format", "")
    known = Upload.objects.filter(pool=pool, name=name, by=request.user.pk).first()
    if known and (str(known.size_bytes), known.fingerprint, known.format) == (size, fingerprint, format):
        return JsonResponse(_told(known))
    operation = ask_host(
        "begin_upload",
        pool.host,
        by=signed_in(request),
        key=request.POST.get("key", "")[:56] or new_key(),
        parameters={
            "pool": str(pool.uuid),
            "pool_name": pool.name,
            "name": name[:255],
            "capacity_bytes": int(size) if size.isascii() and size.isdigit() and len(size) < 16 else 0,
            "format": format[:20],
            "fingerprint": fingerprint,
            "by": request.user.pk,
        },
        address=str(request.META.get("REMOTE_ADDR", "")),
    )
    wait_for_end(operation, BEGIN_SECONDS)
    found = Upload.objects.filter(pk=operation.after["upload"]).first() if operation.after.get("upload") else None
    if operation.state != OperationState.DONE or found is None:
        return _refused(operation.message or _("The host is still making the volume. Try again in a moment."), 409)
    return JsonResponse(_told(found))


def _upload(request: HttpRequest, upload_id: UUID) -> Upload:
    """One into a pool that the person may work with; 404 for any other."""
    found = Upload.objects.filter(pk=upload_id, pool__in=pools_held(request.user)).select_related("pool__host").first()
    if found is None:
        raise Http404(_("No such upload."))
    return found


def _ask(request: HttpRequest, kind: str, found: Upload, seconds: float) -> Operation:
    operation = ask_host(
        kind,
        found.pool.host,
        by=signed_in(request),
        key=request.POST.get("key", "")[:56] or new_key(),
        parameters=parameters_of(found),
        address=str(request.META.get("REMOTE_ADDR", "")),
    )
    return wait_for_end(operation, seconds)


def _told(found: Upload) -> dict[str, object]:
    return {"upload": str(found.pk), "received": found.received_bytes, "size": found.size_bytes}


def _refused(sentence: str, status: int, **more: object) -> JsonResponse:
    return JsonResponse({"error": sentence, **more}, status=status)


def _wanted(request: HttpRequest, tag: str) -> tuple[int | None, int | None]:
    """Where to begin, and how much: (None, None) is all of it, with an answer of 200."""
    match = RANGE.fullmatch(request.headers.get("Range", ""))
    if match is None or request.headers.get("If-Range", tag) != tag:
        return None, None
    first, last = int(match[1]), int(match[2]) if match[2] else None
    if last is not None and last < first:
        return None, None
    return first, None if last is None else last - first + 1
