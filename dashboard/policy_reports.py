"""What browsers report of the content security policy: a line of the log for each, cleaned and cut; nothing is stored.

Browsers send it by themselves, without a form's token and whoever sits there, so anybody may: a bound on each address,
a small body, and no word of a page in the log beyond where it broke which rule.
"""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from dashboard.errors import too_often
from guests.rates import Rate, neighbourhood

logger = logging.getLogger(__name__)

MOST_BYTES = 16 << 10
MOST_REPORTS = 10  # of one body that are written
MOST_CHARACTERS = 200  # of one field
# The fields of `application/csp-report` (report-uri) and of `application/reports+json` (report-to) → those of the log.
FIELDS = {
    "effective-directive": "directive",
    "violated-directive": "directive",
    "effectiveDirective": "directive",
    "blocked-uri": "blocked",
    "blockedURL": "blocked",
    "document-uri": "page",
    "documentURL": "page",
    "source-file": "source",
    "sourceFile": "source",
    "line-number": "line",
    "lineNumber": "line",
}

_reports = Rate(lambda: settings.POLICY_REPORTS_PER_MINUTE)


@csrf_exempt
@require_POST
@login_not_required
def policy_report(request: HttpRequest) -> HttpResponse:
    """204; 413 and 415 for what is no report, 400 for what says to be one and is none."""
    if wait := _reports.take(neighbourhood(str(request.META.get("REMOTE_ADDR", "")))):
        return too_often(request, wait)
    found_in = {"application/csp-report": _in_csp_report, "application/reports+json": _in_reports}
    read = found_in.get(request.content_type or "")
    if read is None:
        return HttpResponse(status=415)
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BYTES or len(request.body) > MOST_BYTES:
            return HttpResponse(status=413)
        reports = read(json.loads(request.body))
    except RequestDataTooBig:
        return HttpResponse(status=413)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return HttpResponse(status=400)
    for report in reports[:MOST_REPORTS]:
        logger.warning("a page broke its content security policy", extra=_cleaned(report))
    return HttpResponse(status=204)


def _in_csp_report(sent: Any) -> list[dict[str, Any]]:
    return [{**sent["csp-report"]}]


def _in_reports(sent: Any) -> list[dict[str, Any]]:
    return [{**report["body"]} for report in sent if report["type"] == "csp-violation"]


def _cleaned(report: dict[str, Any]) -> dict[str, str]:
    """What the log says: of addresses neither query nor fragment, of texts no more than a line shows."""
    told: dict[str, str] = {}
    for name, shown in FIELDS.items():
        if shown not in told and isinstance(value := report.get(name), str | int):
            told[shown] = _plain(_without_query(str(value)) if shown in {"blocked", "page", "source"} else str(value))
    return {f"policy_{name}": value for name, value in told.items()}


def _without_query(address: str) -> str:
    try:
        parts = urlsplit(address[: 4 * MOST_CHARACTERS])
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "?"
    if parts.scheme in {"http", "https"}:
        return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
    return parts.scheme or parts.path  # "inline", "eval"; of data: and the like nothing but that


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:MOST_CHARACTERS])
