"""Tags on guests. A tag can carry grants, so only an administrator of the guest sets them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from guests.access.decisions import Action, may
from guests.audit import RecordedDenial, record
from guests.inventory.models import Guest, Tag

MOST_TAGS = 20
_WORD = re.compile(r"[A-Za-z0-9_-]{1,40}")


def tag_names(text: str) -> list[str]:
    """The words of "web, front-end"; ValidationError for what no tag can be called."""
    words = list(dict.fromkeys(text.replace(",", " ").split()))
    if wrong := next((word for word in words if not _WORD.fullmatch(word)), None):
        raise ValidationError(
            _("“%(word)s” cannot be a tag: use letters without accents, digits, - and _, at most 40.") % {"word": wrong}
        )
    if len(words) > MOST_TAGS:
        raise ValidationError(_("A guest has at most %(n)d tags.") % {"n": MOST_TAGS})
    return words


def set_tags(guest: Guest, names: Iterable[str], *, by: AbstractBaseUser, address: str = "") -> None:
    """Make these its tags; new words become tags. Raises PermissionDenied (recorded) for others than administrators."""
    wanted = sorted(names)
    if not may(by, Action.GRANT, guest):
        record("guest.tags", by=by, guest=guest, outcome="denied", address=address, asked=wanted)
        raise RecordedDenial(_("Only administrators of this guest set its tags."))
    with transaction.atomic():
        before = sorted(guest.tags.values_list("name", flat=True))
        if before == wanted:
            return
        guest.tags.set([Tag.objects.get_or_create(name=name)[0] for name in wanted])
        record("guest.tags", by=by, guest=guest, address=address, before=before, after=wanted)
