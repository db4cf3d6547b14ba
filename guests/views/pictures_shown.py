"""A guest's picture as pages show it: with its age, or why there is none. One query for any number of guests.

The same markup stands in cards, on the guest's page and on walls: an element with `data-look`, which pictures.js keeps
up to date while somebody looks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from guests.inventory.models import Host
from guests.inventory.pictures import Picture, Problem
from guests.resources import GuestState
from guests.templatetags.guesthouse import STATE_WORDS, ago, icon


class Photographed(Protocol):
    """What is needed of a guest: the model, or a row of some of its columns."""

    @property
    def pk(self) -> UUID: ...

    @property
    def host_id(self) -> UUID: ...

    @property
    def name(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def domain_id(self) -> int | None: ...

    @property
    def saved(self) -> bool: ...


class _Row(NamedTuple):
    """What is read of a `Picture`: everything but the picture itself."""

    guest_id: UUID
    domain_id: int | None
    taken_at: datetime | None
    problem: str
    digest: str
    width: int
    height: int


def shown_pictures(
    guests: Iterable[Photographed], *, hosts: Mapping[UUID, Host], stale: Collection[UUID]
) -> dict[UUID, SafeString]:
    """The markup for each guest. The caller asked whether the person may watch them."""
    asked = list(guests)
    found = Picture.objects.filter(pk__in=[guest.pk for guest in asked]).values_list(*_Row._fields)
    rows = {row.guest_id: row for row in map(_Row._make, found)}
    return {
        guest.pk: _shown(guest, rows.get(guest.pk), hosts[guest.host_id], is_stale=guest.host_id in stale)
        for guest in asked
    }


def _shown(guest: Photographed, row: _Row | None, host: Host, *, is_stale: bool) -> SafeString:
    if row is not None and row.digest and _is_of_this_life(guest, row):
        return _box(guest, row.digest, _image(guest, row))
    mark, words = _why_none(guest, row, host, is_stale=is_stale)
    inside = format_html(
        '<span class="gh-thumb none">{}{}</span>',
        icon(mark),
        format_html_join("", "<span>{}</span>", ((line,) for line in words)),
    )
    return _box(guest, mark + (row.problem if row else "-"), inside)


def _is_of_this_life(guest: Photographed, row: _Row) -> bool:
    """A guest that crashed or was saved to disk keeps its last picture, one that was shut off shows none."""
    if GuestState(guest.state).is_active:
        return guest.domain_id == row.domain_id
    return guest.saved or guest.state == GuestState.CRASHED


def _box(guest: Photographed, version: str, inside: SafeString) -> SafeString:
    return format_html('<div class="gh-shot" data-look="{}" data-version="{}">{}</div>', guest.pk, version, inside)


def _image(guest: Photographed, row: _Row) -> SafeString:
    return format_html(
        '<a href="{}console/vnc/"><img class="gh-thumb" src="{}?v={}" width="{}" height="{}" alt="{}" loading="lazy"'
        ' decoding="async"></a><span class="gh-age">{}</span>',
        f"/guests/{guest.pk}/",
        reverse("guests:picture", args=[guest.pk]),
        row.digest,
        row.width,
        row.height,
        _("Screen of %(guest)s") % {"guest": guest.name},
        ago(row.taken_at),
    )


def _why_none(guest: Photographed, row: _Row | None, host: Host, *, is_stale: bool) -> tuple[str, list[str]]:
    """An icon and one or two lines."""
    if is_stale:
        return "plug-connected-x", [_("No picture"), _("The host does not answer")]
    if not GuestState(guest.state).is_active:
        return "power", [str(STATE_WORDS[GuestState(guest.state)])]
    why = {
        Problem.UNSUPPORTED: _("%(driver)s gives no screenshots") % {"driver": host.driver or _("The host")},
        Problem.NO_SCREEN: _("The guest has no screen"),
        Problem.HANGS: _("The guest does not answer its host"),
        Problem.FAILED: _("The host could not take it"),
    }
    if row is not None and row.problem:
        return "device-desktop", [_("No picture"), why[Problem(row.problem)]]
    return "camera", [_("No picture yet")]
