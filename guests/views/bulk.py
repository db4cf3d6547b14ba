"""One act on several guests: all or nothing as far as permission goes, one line of result for each."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from guests.access import Action, visible_to
from guests.audit import RecordedDenial, record
from guests.inventory.models import Guest
from guests.operations import ask, new_key, wait_for_end
from guests.operations.models import Operation
from guests.templatetags.guesthouse import state_word
from guests.views.guest_row import fitting

BULK_KINDS = {"start", "shut_down", "reboot", "pause", "resume", "save", "force_off"}
ASKED_TWICE = {"force_off"}  # a question that names the guests comes first
MOST = 500
WAIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of the act on one guest: an operation, or why none was asked for."""

    guest: Guest
    operation: Operation | None
    reason: str


@require_POST
def bulk(request: HttpRequest) -> HttpResponse:
    """`kind` on every ticked `guest`, or `act` ("kind:id") on one. One member not allowed: nothing is done."""
    kind, _colon, single = request.POST.get("act", "").partition(":")
    kind = kind or request.POST.get("kind", "")
    texts = [single] if single else request.POST.getlist("guest")
    if kind not in BULK_KINDS or len(texts) > MOST:
        return HttpResponseBadRequest(
            _("Nothing was done: this cannot be asked here."), content_type="text/plain; charset=utf-8"
        )
    try:
        ids = list(dict.fromkeys(UUID(text) for text in texts))
    except ValueError:
        return HttpResponseBadRequest(
            _("Nothing was done: this is no guest's id."), content_type="text/plain; charset=utf-8"
        )
    guests = _allowed(request, kind, ids)
    if kind in ASKED_TWICE and guests and "sure" not in request.POST:
        return _question(request, kind, [guest for guest in guests if kind in fitting(guest)])
    results = _asked(request, kind, guests)
    deadline = time.monotonic() + WAIT_S
    for result in results:
        if result.operation is not None:
            wait_for_end(result.operation, max(0.0, deadline - time.monotonic()))
    if request.headers.get("HX-Request"):
        return render(request, "guests/bulk_results.html", {"results": results, "key": new_key()})
    for result in results:
        text = result.reason or (
            result.operation and (result.operation.message or result.operation.get_state_display())
        )
        messages.info(request, f"{result.guest.name}: {text}")
    if not results:
        messages.warning(request, _("Select at least one guest first."))
    target = request.POST.get("next", "")
    return redirect(target if url_has_allowed_host_and_scheme(target, None) else "guests:list")


def _allowed(request: HttpRequest, kind: str, ids: list[UUID]) -> list[Guest]:
    """The guests in the order asked; Http404 where one is not seen, PermissionDenied where it may not be moved."""
    found = {
        guest.pk: guest for guest in visible_to(request.user).filter(pk__in=ids, gone_at=None).select_related("host")
    }
    if len(found) != len(ids):
        raise Http404(_("Nothing was done: one of the guests is not there any more."))
    powered = set(visible_to(request.user, Action.POWER).filter(pk__in=ids).values_list("pk", flat=True))
    refused = [found[pk] for pk in ids if pk not in powered]
    if refused:
        for guest in refused:
            record(f"guest.{kind}", by=request.user, guest=guest, outcome="denied", address=_address(request))
        raise RecordedDenial(
            _("Nothing was done: you may look at %(name)s, but not do this.") % {"name": refused[0].name}
        )
    return [found[pk] for pk in ids]


def _question(request: HttpRequest, kind: str, guests: list[Guest]) -> HttpResponse:
    """In the place of the results: which guests it would be, by name, and what it does to them."""
    context = {"guests": guests, "kind": kind, "key": new_key(), "next": request.POST.get("next", "")}
    whole = not request.headers.get("HX-Request")
    return render(request, "guests/bulk_question_page.html" if whole else "guests/bulk_question.html", context)


def _asked(request: HttpRequest, kind: str, guests: list[Guest]) -> list[Result]:
    """One operation for each guest that the act fits, all in one transaction."""
    assert request.user.is_authenticated
    key = request.POST.get("key", "") or new_key()
    results = []
    with transaction.atomic():
        for guest in guests:
            if kind not in fitting(guest):
                reason = _("nothing to do: it is %(state)s") % {"state": state_word(guest.state).lower()}
                results.append(Result(guest, None, reason))
                continue
            # One key a form, guest and kind: a form sent twice asks once.
            own = hashlib.sha256(f"{key}:{kind}:{guest.pk}".encode()).hexdigest()
            operation = ask(
                kind, guest, by=request.user, key=own, before={"state": guest.state}, address=_address(request)
            )
            results.append(Result(guest, operation, ""))
    return results


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))[:45]
