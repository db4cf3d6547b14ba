"""Home and health."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse


def home(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def healthz(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def set_language(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError
