"""Which volumes of a host somebody may give a guest: a volume holds somebody's data, and storage is a way to it."""

from __future__ import annotations

from guests.access.decisions import Action, User, may_on, visible_to
from guests.inventory.disk_uses import disks_of_rows, uses_by_path, volume_paths
from guests.inventory.models import Guest
from guests.inventory.storage import Volume


def open_volumes(user: User, guest: Guest, *, writes: bool = False) -> list[Volume]:
    """Whoever administrates the whole host: every volume of its pools. Others: what the guests of this host use that
    they administrate (with `writes`: what those write to), and CD images, to read only. With their pools; four queries.
    """
    volumes = Volume.objects.filter(pool__host=guest.host_id, kind__in=["file", "block"]).select_related("pool")
    found = list(volumes.order_by("pool__name", "name"))
    if may_on(user, Action.DEVICES, guest.host):
        return found
    own = set(visible_to(user, Action.DEVICES).filter(host=guest.host_id, gone_at=None).values_list("uuid", flat=True))
    disks = [of_guest for of_guest in disks_of_rows(guest.host) if of_guest.guest_id in own]
    uses = uses_by_path(disks, volume_paths(guest.host))
    usable = {path for path, by in uses.items() if not writes or any(use.writes for use in by)}
    return [volume for volume in found if volume.path in usable or (volume.is_media and not writes)]


def may_give(user: User, guest: Guest, volume: Volume, *, writes: bool) -> bool:
    """Whether this person may give this guest the volume."""
    return volume in open_volumes(user, guest, writes=writes)
