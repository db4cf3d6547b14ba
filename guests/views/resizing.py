"""Views; to be written."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse


def resize_memory(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def resize_vcpus(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def revert(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError
