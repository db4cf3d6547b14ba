"""/ws/live/: tells a page which guests, hosts and operations changed, so that it fetches those fragments again."""

from __future__ import annotations

from typing import Any

websocket_urlpatterns: list[Any] = []  # /ws/live/
