"""The ASGI application: pages over HTTP, hints and text consoles over websockets."""

from __future__ import annotations

import os
from typing import Any, cast

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
http = get_asgi_application()

from consoles.routing import websocket_urlpatterns as console_routes  # noqa: E402
from dashboard.live import websocket_urlpatterns as live_routes  # noqa: E402
from dashboard.sockets import SignedInSockets, no_such_socket  # noqa: E402

routes: list[Any] = [*live_routes, *console_routes, re_path("", cast("Any", no_such_socket))]
application = ProtocolTypeRouter(
    {
        "http": http,
        # Exact origin and a signed-in person, or HTTP 403 before the upgrade.
        "websocket": SignedInSockets(URLRouter(routes)),
    }
)
