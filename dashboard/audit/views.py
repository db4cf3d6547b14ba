"""The audit record: searched, paged, exported. Everybody sees what happened to what they administrate."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.accounts.recording import address_of
from dashboard.audit.exporting import FORMS, MOST, streamed
from dashboard.audit.query import OUTCOMES, AuditQuery
from dashboard.audit.words import ACTIONS, GROUPS, action_in_words, details_of
from dashboard.time_limit import TookTooLong, at_most
from guests.access import Action, may_somewhere
from guests.audit import record
from guests.audit.models import AuditRecord

PAGE_SIZE = 50
SEARCH_SECONDS = 5.0
MARKS = {"ok": "done", "failed": "failed", "denied": "denied"}


@require_safe
def audit_list(request: HttpRequest) -> HttpResponse:
    """The page; 503 with a sentence where the search took too long."""
    _refuse_strangers(request)
    query = AuditQuery.from_parameters(request.GET)
    found: list[AuditRecord] = []
    newer = older = too_long = False
    try:
        with at_most(SEARCH_SECONDS):
            found, newer, older = query.page(request.user, PAGE_SIZE)
    except TookTooLong:
        too_long = True
    words = outcome_words()
    context = {
        "section": "audit",
        "query": query,
        "parts": query.parts(),
        "actions": _choices(),
        "outcomes": [(outcome, words[outcome]) for outcome in OUTCOMES],
        "lines": [
            (line, action_in_words(line.action), MARKS.get(line.outcome, "unknown"), words.get(line.outcome, "?"), told)
            for line in found
            for told in [details_of(line)]
        ],
        "too_long": too_long,
        "most": MOST,
        "newest_url": query.url(),
        "newer_url": query.url(newer=found[0].pk) if found and newer else "",
        "older_url": query.url(older=found[-1].pk) if found and older else "",
    }
    return render(request, "dashboard/audit/list.html", context, status=503 if too_long else 200)


@require_POST
def export(request: HttpRequest) -> HttpResponseBase:
    """The lines that the page's search finds, as a download; recorded first, with what was asked for."""
    _refuse_strangers(request)
    form = request.POST.get("form", "")
    if form not in FORMS:
        return HttpResponse(_("Choose CSV or JSON lines."), status=400, content_type="text/plain; charset=utf-8")
    query = AuditQuery.from_parameters(request.POST)
    record("audit.export", by=request.user, address=address_of(request), form=form, search=query.parts())
    response = StreamingHttpResponse(streamed(query.lines(request.user), form), content_type=FORMS[form][0])
    name = f"audit-{timezone.now():%Y%m%d-%H%M%S}.{form}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def outcome_words() -> dict[str, str]:
    """How it ended, in words."""
    return {"ok": _("Done"), "failed": _("Failed"), "denied": _("Denied")}


def _choices() -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Groups of actions with their members, by name."""
    return [
        (
            group,
            str(label),
            sorted(((a, str(w)) for a, w in ACTIONS.items() if a.startswith(f"{group}.")), key=lambda pair: pair[1]),
        )
        for group, label in GROUPS.items()
    ]


def _refuse_strangers(request: HttpRequest) -> None:
    if not may_somewhere(request.user, Action.AUDIT):
        raise PermissionDenied(_("The audit record is for administrators: of everything, of a host, or of a guest."))
