"""Where a guest went that was migrated: the same UUID, running on another host since about when it stopped here.

libvirt says only that it stopped. The inventory of the other hosts is asked for a minute. A copy that has run elsewhere
all the time bears the same UUID and is another guest: it is not followed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from consoles.text.consoles_of import has_text_consoles, text_consoles_of
from guests.inventory.models import Guest
from guests.resources import GuestState

FOLLOW_SECONDS = 60.0
LOOK_SECONDS = 0.5
CLOCK_SECONDS = 15.0  # it may run there this long before its end here is noticed


def where_it_runs_now(left: Guest, device: str, stopped_at: float) -> Guest | None:
    """In a thread: the guest on its new host, where that has the device. `stopped_at`: Unix time."""
    since = datetime.fromtimestamp(stopped_at, UTC) - timedelta(seconds=CLOCK_SECONDS)
    found = Guest.objects.select_related("host").filter(
        uuid=left.uuid, gone_at=None, host__enabled=True, state=GuestState.RUNNING, state_since__gte=since
    )
    for guest in found.exclude(host=left.host_id):
        if has_text_consoles(guest.host) and any(c.device == device for c in text_consoles_of(guest)):
            return guest
    return None
