"""Which of a guest's graphics devices can be shown, as the host worker last read them; no hypervisor is asked."""

from __future__ import annotations

from typing import Any

from guests.inventory.models import Guest


def graphics_of(guest: Guest) -> list[dict[str, Any]]:
    """The guest's graphics devices, in libvirt's order: `resources.Graphics` as plain JSON."""
    return list((guest.definition or {}).get("graphics") or [])


def vnc_index(guest: Guest) -> int | None:
    """The number of the first VNC device among all graphics devices, None where there is none."""
    return next((n for n, device in enumerate(graphics_of(guest)) if device.get("kind") == "vnc"), None)


def has_clipboard(guest: Guest) -> bool:
    """Whether the guest has a channel over which an agent in it may share its clipboard with VNC."""
    return bool((guest.definition or {}).get("shares_clipboard"))
