"""Views; to be written."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse


def power(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError
