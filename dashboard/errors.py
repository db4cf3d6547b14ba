"""Every refusal and failure as a page that says what to do, with an id to ask about.

A sentence alone for htmx, JSON for programs.
"""

from __future__ import annotations

import logging
import math

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.csrf import requires_csrf_token

from dashboard.api.errors import error_answer, is_for_programs
from dashboard.error_ids import new_error_id
from guests.audit import RecordedDenial, record
from guests.errors import GuestNotFound, HypervisorError, HypervisorUnreachable
from guests.inventory.models import Guest
from guests.rates import Rate

logger = logging.getLogger(__name__)

_refusals = Rate(lambda: settings.REFUSALS_PER_MINUTE)


def error_page(
    request: HttpRequest,
    status: int,
    heading: str,
    message: str,
    *,
    detail: str = "",
    error_id: str = "",
    alone: bool = False,
) -> HttpResponse:
    """The page of one error; `detail` is libvirt's own words, shown to administrators only.

    `alone` renders without the request, for failures that may come from what every page asks (session, database).
    """
    error_id = error_id or new_error_id()
    if is_for_programs(request):
        return error_answer(request, status, message, error_id=error_id)
    if request.headers.get("HX-Request"):
        return HttpResponse(
            f"{message} ({error_id})",
            status=status,
            content_type="text/plain; charset=utf-8",
            headers={"HX-Reswap": "none"},
        )
    signed_in = not alone and getattr(request, "user", None) is not None and request.user.is_authenticated
    context = {
        "layout": "base.html" if signed_in else "door.html",
        "status": status,
        "heading": heading,
        "message": message,
        "detail": detail,
        "error_id": error_id,
        "retry": request.method == "GET" and status >= 500,
        "path": request.get_full_path(),
        "signed_in": signed_in,
    }
    if alone:
        context["csp_nonce"] = str(getattr(request, "csp_nonce", ""))
    return HttpResponse(get_template("error.html").render(context, None if alone else request), status=status)


def hypervisor_error_page(request: HttpRequest, error: HypervisorError) -> HttpResponse:
    """404 for a guest that went away, 503 for a host that does not answer, 409 for every other refusal."""
    error_id = new_error_id()
    logger.warning("hypervisor error %s: %s %s", error_id, error, error.detail)
    if isinstance(error, GuestNotFound):
        status, heading = 404, _("No such guest")
    elif isinstance(error, HypervisorUnreachable):
        status, heading = 503, _("The host does not answer")
    else:
        status, heading = 409, _("This cannot be done now")
    return error_page(request, status, heading, str(error), detail=error.detail, error_id=error_id)


def too_often(request: HttpRequest, wait: float) -> HttpResponse:
    """429: how long to wait, as a sentence and as Retry-After."""
    seconds = math.ceil(wait)
    message = _("Nothing was done: too much was asked in a short time. Try again in %(seconds)d s.") % {
        "seconds": seconds
    }
    answer = error_page(request, 429, _("Too often"), message)
    answer["Retry-After"] = str(seconds)
    return answer


def _record_refusal(request: HttpRequest) -> None:
    match = request.resolver_match
    guest_id = match.kwargs.get("guest_id") if match else None
    guest = Guest.objects.select_related("host").filter(pk=guest_id).first() if guest_id else None
    record(
        "request.denied",
        by=request.user,
        guest=guest,
        outcome="denied",
        address=str(request.META.get("REMOTE_ADDR", "")),
        method=request.method,
        path=request.path[:200],
    )


def _sentence(exception: Exception | None) -> str:
    """The first argument of an exception that carries a sentence for people."""
    first = exception.args[0] if exception is not None and exception.args else ""
    return str(first) if isinstance(first, str | Promise) else ""


@requires_csrf_token
def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400."""
    return error_page(
        request, 400, _("This request makes no sense"), _("Go back, load the page again and try once more.")
    )


@requires_csrf_token
def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: signed in, and not allowed; recorded unless it was where it was refused. A flood of them is answered 429."""
    if request.user.is_authenticated and not isinstance(exception, RecordedDenial):
        if wait := _refusals.take(request.user.pk):
            return too_often(request, wait)
        _record_refusal(request)
    message = _sentence(exception) or _("Your roles do not give you this. Ask an administrator of this Guesthouse.")
    return error_page(request, 403, _("Not allowed"), message)


@requires_csrf_token
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: not there, or not for this person; both look the same."""
    message = _sentence(exception) or _("It may have gone away, or it is not yours to see.")
    return error_page(request, 404, _("Nothing here"), message)


@requires_csrf_token
def failed(request: HttpRequest) -> HttpResponse:
    """500: our fault; the id stands in the log."""
    error_id = new_error_id()
    logger.error("error %s at %s", error_id, request.path)
    message = _("Something went wrong on our side. Nothing more was changed; try again, or ask an administrator.")
    return error_page(request, 500, _("This did not work"), message, error_id=error_id, alone=True)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form without its token: an old page, or somebody else's."""
    message = _(
        "The page was open for too long, or its cookies were refused. Load it again and send the form once more."
    )
    return error_page(request, 403, _("This form is out of date"), message, alone=True)
