"""Views; to be written."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse


def overview(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def console(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def resources(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def devices(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def history(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def fragment(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError
