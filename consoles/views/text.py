"""The text console's page; to be written."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse


def text_console(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError
