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

from guests.access import visible_to
from guests.access.tagging import set_tags
from guests.audit import RecordedDenial, record
from guests.forms.migrate_form import own_disks
from guests.inventory.models import Guest
from guests.operations import ask, new_key, wait_for_end
from guests.operations.models import Operation
from guests.views.bulk_acts import BULK_ACTS, Unclear, Wish, choices, refuse_unnamed
from guests.views.guest_cards import signed_in

MOST = 500
WAIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of the act on one guest: an operation, or words where there is none."""

    guest: Guest
    operation: Operation | None
    words: str


@require_POST
def bulk(request: HttpRequest) -> HttpResponse:
    """`kind` on every ticked `guest`, or `act` ("kind:id") on one. One member not allowed: nothing is done."""
    kind, _colon, single = request.POST.get("act", "").partition(":")
    kind = kind or request.POST.get("kind", "")
    texts = [single] if single else request.POST.getlist("guest")
    if kind not in BULK_ACTS or len(texts) > MOST:
        return HttpResponseBadRequest(
            _("Nothing was done: this cannot be asked here."), content_type="text/plain; charset=utf-8"
        )
    try:
        ids = list(dict.fromkeys(UUID(text) for text in texts))
    except ValueError:
        return HttpResponseBadRequest(
            _("Nothing was done: this is no guest's id."), content_type="text/plain; charset=utf-8"
        )
    guests, act = _allowed(request, kind, ids), BULK_ACTS[kind]
    if act.asks and guests and "sure" not in request.POST:
        return _question(request, kind, guests)
    try:
        wishes = act.wishes(kind, guests, signed_in(request), request.POST)
        if act.named:
            refuse_unnamed([wish.guest for wish in wishes if wish.kind], request.POST.get("names", ""))
        results = _asked(request, kind, wishes)
    except Unclear as error:
        return _question(request, kind, guests, str(error))
    deadline = time.monotonic() + WAIT_S
    for result in results:
        if result.operation is not None:
            wait_for_end(result.operation, max(0.0, deadline - time.monotonic()))
    if request.headers.get("HX-Request"):
        return render(request, "guests/bulk_results.html", {"results": results, "key": new_key()})
    for result in results:
        text = result.words or (result.operation and (result.operation.message or result.operation.get_state_display()))
        messages.info(request, f"{result.guest.name}: {text}")
    if not results:
        messages.warning(request, _("Select at least one guest first."))
    target = request.POST.get("next", "")
    return redirect(target if url_has_allowed_host_and_scheme(target, None) else "guests:list")


def _allowed(request: HttpRequest, kind: str, ids: list[UUID]) -> list[Guest]:
    """The guests in the order asked; Http404 where one is not seen, PermissionDenied where this is not theirs."""
    seen = visible_to(request.user).filter(pk__in=ids, gone_at=None)
    found = {guest.pk: guest for guest in seen.select_related("host", "start_place").prefetch_related("tags")}
    if len(found) != len(ids):
        raise Http404(_("Nothing was done: one of the guests is not there any more."))
    theirs = set(visible_to(request.user, BULK_ACTS[kind].action).filter(pk__in=ids).values_list("pk", flat=True))
    refused = [found[pk] for pk in ids if pk not in theirs]
    if refused:
        for guest in refused:
            record(f"guest.{kind}", by=request.user, guest=guest, outcome="denied", address=_address(request))
        raise RecordedDenial(
            _("Nothing was done: you may look at %(name)s, but not do this.") % {"name": refused[0].name}
        )
    return [found[pk] for pk in ids]


def _question(request: HttpRequest, kind: str, guests: list[Guest], error: str = "") -> HttpResponse:
    """In the place of the results: which guests it would be, by name, what it does to them, and what must be typed."""
    act, by = BULK_ACTS[kind], signed_in(request)
    if act.danger:  # nothing that is typed decides it, so those that it does not fit are known
        guests = [wish.guest for wish in act.wishes(kind, guests, by, request.POST) if wish.kind]
    context = {
        "act": act,
        "guests": guests,
        "kind": kind,
        "key": new_key(),
        "next": request.POST.get("next", ""),
        "error": error,
        "typed": request.POST,
        "hosts": choices(guests, by) if kind == "migrate" else [],
        "with_disks": [guest for guest in guests if own_disks(guest)],
    }
    whole = not request.headers.get("HX-Request")
    template = "guests/bulk_question_page.html" if whole else "guests/bulk_question.html"
    return render(request, template, context, status=422 if error else 200)


def _asked(request: HttpRequest, kind: str, wishes: list[Wish]) -> list[Result]:
    """One operation for each guest that the act fits, all in one transaction."""
    by, key = signed_in(request), request.POST.get("key", "") or new_key()
    results = []
    with transaction.atomic():
        for wish in wishes:
            if wish.tags is not None:
                set_tags(wish.guest, wish.tags, by=by, address=_address(request))
                names = ", ".join(sorted(wish.tags)) or _("none")
                results.append(Result(wish.guest, None, _("tags now: %(tags)s") % {"tags": names}))
            elif not wish.kind:
                results.append(Result(wish.guest, None, wish.why_not))
            else:
                # One key a form, guest and act: a form sent twice asks once.
                own = hashlib.sha256(f"{key}:{kind}:{wish.guest.pk}".encode()).hexdigest()
                operation = ask(
                    wish.kind,
                    wish.guest,
                    by=by,
                    key=own,
                    parameters=wish.parameters,
                    before=wish.before,
                    address=_address(request),
                )
                results.append(Result(wish.guest, operation, ""))
    return results


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))[:45]
