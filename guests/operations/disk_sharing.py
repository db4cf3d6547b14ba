"""When a volume may be given to a guest though others use it: the one rule, for forms and for the worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from guests.inventory.disk_uses import DiskUse

RAW = "raw"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The volume as it would be used: by libvirt's UUID of the guest, with what the volume lies over."""

    guest_id: UUID
    path: str
    format: str
    below: Sequence[str]
    writes: bool
    shareable: bool


@dataclass(frozen=True, slots=True)
class Objection:
    """Why not, in a sentence that names no guest, and the names of those who use it."""

    sentence: str
    guests: tuple[str, ...] = ()


def objection(wanted: Wanted, uses: Mapping[str, Iterable[DiskUse]]) -> Objection | None:
    """None where it may be given."""
    if wanted.shareable and wanted.writes and wanted.format != RAW:
        text = _("Only a raw volume can be written by several guests: one of the format %(format)s would be destroyed.")
        return Objection(text % {"format": wanted.format})
    used = list(uses.get(wanted.path, ()))
    own = [use for use in used if use.guest_id == wanted.guest_id and not use.below]
    if any(wanted.writes or use.writes for use in own):
        return Objection(_("This guest has this volume already."))
    if wanted.writes and (above := [use for use in used if use.below]):
        return Objection(_("Disks lie over this volume: whoever writes to it destroys them."), _names(above))
    clashing = [use for use in used if not _get_along(wanted, use)]
    if clashing:
        text = _("Another guest uses this volume: it can be given to both only if both disks are shareable.")
        return Objection(text, _names(clashing))
    writers = [use for path in wanted.below for use in uses.get(path, ()) if use.writes]
    if writers:
        return Objection(_("A guest writes to what this volume lies over: its content is not sound."), _names(writers))
    return None


def _get_along(wanted: Wanted, use: DiskUse) -> bool:
    """Two readers do; a writer with others only where both disks say so."""
    if not wanted.writes and not use.writes:
        return True
    return wanted.shareable and use.disk.shareable


def _names(uses: Iterable[DiskUse]) -> tuple[str, ...]:
    return tuple(sorted({use.guest for use in uses}))
