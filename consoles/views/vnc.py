"""The graphical console's page and its tickets; to be written."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse


def vnc_console(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def vnc_ticket(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError
