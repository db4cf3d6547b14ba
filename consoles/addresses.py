"""Where a connection comes from: which page, by which way, and, behind our own reverse proxy, from which address."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from django.conf import settings


def client_address(peer: str, forwarded_for: str) -> str:
    """`peer` is the socket's, `forwarded_for` the X-Forwarded-For header.

    Behind a proxy its last entry counts, the only one that the proxy wrote. What is no address counts not at all.
    """
    if settings.BEHIND_PROXY:
        try:
            return str(ip_address(forwarded_for.rpartition(",")[2].strip()))
        except ValueError:
            return peer
    return peer


def came_by_tls(forwarded_proto: str) -> bool:
    """Whether a handshake came the way the site's origins say; only a proxy that ends TLS can tell."""
    return not (settings.HTTPS and settings.BEHIND_PROXY) or forwarded_proto.strip().lower() == "https"


def from_our_origin(origins: Sequence[str]) -> bool:
    """Whether a handshake has exactly one Origin, and it is one of ours: scheme, host and port as browsers write them.

    A missing one and "null" are foreign: every page, also a program's, says where it comes from.
    """
    return len(origins) == 1 and origins[0] in settings.ORIGINS
