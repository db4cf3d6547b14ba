"""Views; to be written."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse


def operation_list(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def operation_fragment(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def cancel_operation(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError
