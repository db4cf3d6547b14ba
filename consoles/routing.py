"""Websocket routes of the consoles; `<uuid>` is `Guest.id`."""

from __future__ import annotations

from typing import Any

from django.urls import path

from consoles.text.consumer import text_console

websocket_urlpatterns: list[Any] = [
    path("ws/guests/<uuid:guest_id>/text/<slug:device>/", text_console),  # type: ignore[arg-type]
]
