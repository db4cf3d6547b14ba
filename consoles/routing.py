"""Websocket routes of the consoles."""

from __future__ import annotations

from typing import Any

websocket_urlpatterns: list[Any] = []  # /ws/guests/<uuid>/text/<device>/
