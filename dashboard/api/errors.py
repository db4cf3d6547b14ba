"""Every refusal and failure of the API in one shape: {"error": {"code", "sentence", "field", "id"}}."""

from __future__ import annotations

import logging
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from pydantic import BaseModel, Field

from dashboard.error_ids import new_error_id

logger = logging.getLogger(__name__)

PREFIX = "/api/v1/"
OURS = {"body", "query", "header", "path", "asked", "filters"}
CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "refused",
    422: "invalid",
    429: "too_many_requests",
    500: "failed",
    503: "host_does_not_answer",
}


class ErrorShape(BaseModel):
    """What went wrong."""

    code: str = Field(description="For programs; codes stay.")
    sentence: str = Field(description="For people: what happened and what to do, in the language of Accept-Language.")
    field: str | None = Field(None, description="The field of the request that it is about.")
    id: str = Field(description="Ask an administrator about this id; it stands in the log.")


class ErrorAnswer(BaseModel):
    """Every answer of 400 and above."""

    error: ErrorShape


class Refused(Exception):
    """What cannot be done: ends a request with a sentence."""

    def __init__(self, status: int, sentence: str, *, code: str = "", field: str = "") -> None:
        super().__init__(sentence)
        self.status, self.code, self.field = status, code, field


def is_for_programs(request: HttpRequest) -> bool:
    """Whether a request is one of the API's, so that also its errors are JSON."""
    return request.path_info.startswith(PREFIX)


def error_answer(
    request: HttpRequest, status: int, sentence: str, *, code: str = "", field: str = "", error_id: str = ""
) -> JsonResponse:
    """The JSON of one error."""
    error = {"code": code or CODES.get(status, "refused"), "sentence": sentence, "id": error_id or new_error_id()}
    if field:
        error["field"] = field
    logger.info("API: %s %s: %d %s %s", request.method, request.path, status, error["code"], error["id"])
    return JsonResponse({"error": error}, status=status)


def method_not_allowed(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """The framework's 405, with its headers, as ours."""
    ours = error_answer(request, 405, _("This address answers to %(methods)s only.") % {"methods": answer["Allow"]})
    answer.content = ours.content
    answer["Content-Type"] = ours["Content-Type"]
    answer["Content-Length"] = str(len(ours.content))
    return answer


def connect(api: NinjaAPI) -> None:
    """What the views raise: ours are answered here, all the others by the handlers of the pages (dashboard/errors.py),
    which know that they are asked by a program.
    """
    for kind in (Exception, Http404):  # django-ninja has answers of its own for both
        api.add_exception_handler(kind, _left_to_django)
    api.add_exception_handler(Refused, _refused)
    api.add_exception_handler(HttpError, _http_error)
    api.add_exception_handler(ValidationError, _invalid)


def _left_to_django(request: HttpRequest, exception: Any) -> HttpResponse:
    raise exception


def _refused(request: HttpRequest, exception: Any) -> HttpResponse:
    return error_answer(request, exception.status, str(exception), code=exception.code, field=exception.field)


def _http_error(request: HttpRequest, exception: Any) -> HttpResponse:
    sentence = _("The body of the request is no JSON that can be read.") if exception.status_code == 400 else ""
    return error_answer(request, exception.status_code, sentence or str(exception))


def _invalid(request: HttpRequest, exception: Any) -> HttpResponse:
    """The first value that does not fit the document; the rules of the product itself are in guests/forms."""
    first = exception.errors[0]
    # Where it stands: ("body", "asked", "before", "state"), ("query", "filters", "sort"); the second is a name of ours.
    where = [str(part) for part in first["loc"] if part not in OURS]
    field = ".".join(where)
    sentence = _("“%(field)s” does not fit: %(why)s.") % {"field": field or "body", "why": first.get("msg", "")}
    return error_answer(request, 422, sentence, field=field)
