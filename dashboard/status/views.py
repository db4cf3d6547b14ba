"""Status pages; to be written."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse


def page_list(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def new_page(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def page(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def page_json(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def edit_page(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError
