"""How a guest's consoles are shared and recorded: its own setting, or the site's default."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q, QuerySet, UUIDField

from consoles.models import ConsoleSetting, ScreenRecordings, Sharing
from guests import audit
from guests.inventory.changes import Feed, next_revision
from guests.inventory.models import Guest
from guests.prepared import Given, Prepared

_SETTING = Prepared(lambda: ConsoleSetting.objects.filter(guest=Given("guest", UUIDField())))


def setting_of(guest: Guest) -> ConsoleSetting:
    """The guest's setting; one that is not stored where it has none."""
    return _SETTING.first(guest=guest.pk) or _default(guest)


def setting_read_with(guest: Guest) -> ConsoleSetting:
    """The same without a query, for a guest that was read with `select_related("console_setting")`."""
    return getattr(guest, "console_setting", None) or _default(guest)


def _default(guest: Guest) -> ConsoleSetting:
    return ConsoleSetting(guest=guest, record=settings.RECORD_CONSOLES)


def keyboards_of(guests: Iterable[UUID]) -> dict[UUID, Sharing]:
    """How the keyboard is shared at the consoles of these guests."""
    found = dict.fromkeys(guests, Sharing.ALL)
    rows = ConsoleSetting.objects.filter(guest__in=list(found)).values_list("guest", "keyboard")
    return found | {guest: Sharing(keyboard) for guest, keyboard in rows}


def recorded_guests() -> QuerySet[Guest]:
    """The guests that are there and whose consoles are always recorded."""
    recorded = Q(console_setting__record=True)
    if settings.RECORD_CONSOLES:
        recorded |= Q(console_setting__isnull=True)
    found = Guest.objects.filter(recorded, gone_at=None, host__enabled=True).select_related("host")
    return found.only("uuid", "name", "definition", "next_boot", "host__name", "host__uri", "host__enabled")


def change_setting(
    guest: Guest,
    *,
    keyboard: Sharing,
    record: bool,
    screen: ScreenRecordings | None = None,
    by: AbstractBaseUser,
    address: str = "",
) -> None:
    """Store and record it, and tell the console server. `screen` counts from the next connection on; None leaves it."""
    with transaction.atomic():
        before = setting_of(guest)
        screen = ScreenRecordings(before.screen) if screen is None else screen
        ConsoleSetting.objects.update_or_create(
            guest=guest, defaults={"keyboard": keyboard, "record": record, "screen": screen}
        )
        audit.record(
            "console.setting",
            by=by,
            guest=guest,
            address=address,
            before={"keyboard": str(before.keyboard), "record": before.record, "screen": str(before.screen)},
            after={"keyboard": str(keyboard), "record": record, "screen": str(screen)},
        )
        next_revision(Feed.CONSOLES)
