"""Which text consoles a guest has, by the inventory: what pages and sockets ask before the console server is asked."""

from __future__ import annotations

from guests.inventory.models import Guest, Host
from guests.resources import TextConsole


def has_text_consoles(host: Host) -> bool:
    """Whether the driver has them at all: libvirt's test driver has none, a host no longer named is not opened."""
    return host.enabled and not host.uri.startswith("test:")


def text_consoles_of(guest: Guest) -> list[TextConsole]:
    """The devices that can be opened, the usual one first; of a guest that is off those of its next boot."""
    if not has_text_consoles(guest.host):
        return []
    definition = guest.definition or guest.next_boot or {}
    consoles = [TextConsole(**values) for values in definition.get("text_consoles", [])]
    return [console for console in consoles if console.pty]
