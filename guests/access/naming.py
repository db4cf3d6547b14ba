"""From what people type to what a grant can be about."""

from __future__ import annotations

from uuid import UUID

from guests.inventory.models import Guest


def guests_called(text: str) -> list[Guest]:
    """By our id, by libvirt's UUID, or by name among those that are there; several where a name is not enough."""
    guests = Guest.objects.select_related("host")
    try:
        uuid = UUID(text)
    except ValueError:
        return list(guests.filter(name=text, gone_at=None))
    return list(guests.filter(pk=uuid) or guests.filter(uuid=uuid))
