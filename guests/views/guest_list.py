"""Views; to be written."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse


def guest_list(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def guest_rows(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def bulk(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def find(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError
