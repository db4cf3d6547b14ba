"""Hosts; to be written."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse


def host_list(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError


def host_detail(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise NotImplementedError
