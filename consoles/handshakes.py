"""Handshakes that were refused, counted for each address: a flood of them is turned away before it costs a query."""

from __future__ import annotations

import math

from django.conf import settings

from guests.rates import Rate, neighbourhood

_refused = Rate(lambda: settings.REFUSED_HANDSHAKES_PER_MINUTE)

SENTENCE = "Too many refused connections from your address. Try again in {seconds} s."


def seconds_to_wait(address: str) -> int:
    """0, or how long this address is not listened to."""
    return math.ceil(_refused.wait(neighbourhood(address)))


def was_refused(address: str) -> None:
    """Count one."""
    _refused.take(neighbourhood(address))


def forget() -> None:
    """Begin anew, for tests."""
    _refused.forget()
