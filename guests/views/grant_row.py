"""One row of a table of grants: what it says, and where it is taken away by whoever may."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _

from guests.access import UNLIMITED, Grant, Limits
from guests.access.granting import Object, holds
from guests.units import memory_text


@dataclass(frozen=True, slots=True)
class GrantRow:
    """`take_url` is empty where it is not this person's to take."""

    grant: Grant
    holder: str
    on: str
    limits: str
    take_url: str


def grant_rows(grants: Iterable[Grant], *, by: AbstractBaseUser, url: Callable[[Grant], str]) -> list[GrantRow]:
    """The rows, for one who looks at them: one question about everything, else one for each object."""
    holds_all = holds(by, None)
    known: dict[Object, bool] = {}
    rows = []
    for grant in grants:
        on = grant.host or grant.tag or grant.guest
        if on not in known:
            known[on] = holds_all or holds(by, on)
        take_url = url(grant) if known[on] else ""
        rows.append(GrantRow(grant, holder_words(grant), object_words(grant), limit_words(grant.limits), take_url))
    return rows


def holder_words(grant: Grant) -> str:
    """As people say it: "anna", "group night shift"."""
    if grant.user is not None:
        return grant.user.get_username()
    return _("group %(name)s") % {"name": grant.group.name if grant.group else "?"}


def object_words(grant: Grant) -> str:
    """As people say it: "everything", "host atlas", "tag web", "guest web-1"."""
    if grant.host is not None:
        return _("host %(name)s") % {"name": grant.host.name}
    if grant.tag is not None:
        return _("tag %(name)s") % {"name": grant.tag.name}
    if grant.guest is not None:
        return _("guest %(name)s") % {"name": grant.guest.name}
    return _("everything")


def limit_words(limits: Limits) -> str:
    """As people say it: "at most 8.0 GiB and 4 vCPUs"; "" without a limit."""
    if limits == UNLIMITED:
        return ""
    if limits.vcpus is None:
        return _("at most %(memory)s") % {"memory": memory_text(limits.memory_kib or 0)}
    if limits.memory_kib is None:
        return _("at most %(count)d vCPUs") % {"count": limits.vcpus}
    return _("at most %(memory)s and %(count)d vCPUs") % {
        "memory": memory_text(limits.memory_kib),
        "count": limits.vcpus,
    }
