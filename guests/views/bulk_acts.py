"""The acts that can be asked of many guests at once: what each asks of a guest, or why it asks nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.access import Action, hosts_held
from guests.access.tagging import tag_names
from guests.forms.migrate_form import MigrateForm
from guests.forms.snapshot_forms import TakeSnapshotForm, free_name
from guests.inventory.models import Guest
from guests.operations.destinations import Destination, guests_alike, why_it_stays, why_not
from guests.operations.snapshot_rules import NAME
from guests.templatetags.guesthouse import state_word
from guests.views.power_acts import ACTS, fitting_acts


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of one guest: an operation, or tags, or nothing, and why."""

    guest: Guest
    why_not: str = ""
    kind: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    tags: frozenset[str] | None = None


class Unclear(Exception):
    """What was typed into the question can be done to no guest; the sentence says why."""


@dataclass(frozen=True, slots=True)
class BulkAct:
    """One act. `asks`: a question that names the guests comes first; `named`: in which their names are typed."""

    label: str | Promise
    action: Action
    wishes: Callable[[str, list[Guest], AbstractBaseUser, QueryDict], list[Wish]]
    asks: bool = False
    danger: str | Promise = ""  # what is lost by it
    named: bool = False


def _power(kind: str, guests: list[Guest], _by: AbstractBaseUser, _typed: QueryDict) -> list[Wish]:
    return [
        Wish(guest, kind=kind, before={"state": guest.state})
        if kind in fitting_acts(guest)
        else Wish(guest, _nothing_to_do(kind, guest))
        for guest in guests
    ]


def _nothing_to_do(kind: str, guest: Guest) -> str:
    if kind == "discard_saved" and not guest.saved:
        return _("nothing to do: nothing of it is saved")
    return _("nothing to do: it is %(state)s") % {"state": state_word(guest.state).lower()}


def _autostart(kind: str, guests: list[Guest], _by: AbstractBaseUser, _typed: QueryDict) -> list[Wish]:
    wanted = kind == "autostart_on"
    return [_autostart_of(guest, wanted) for guest in guests]


def _autostart_of(guest: Guest, wanted: bool) -> Wish:
    if guest.privileged or not guest.persistent:
        return Wish(guest, _("not possible: it is the host itself, or transient"))
    # Taking it away takes a guest out of the order of its host, too.
    starts = guest.autostart or (not wanted and hasattr(guest, "start_place"))
    if starts != wanted:
        asked, before = {"autostart": wanted}, {"autostart": guest.autostart}
        return Wish(guest, kind="set_autostart", parameters=asked, before=before)
    if wanted:
        return Wish(guest, _("nothing to do: it starts with its host"))
    return Wish(guest, _("nothing to do: it does not start with its host"))


def _migrate(_kind: str, guests: list[Guest], by: AbstractBaseUser, typed: QueryDict) -> list[Wish]:
    """Each to the chosen host, as its own form would ask it."""
    host = hosts_held(by, Action.MIGRATE).filter(name=typed.get("to", ""), enabled=True).first()
    if host is None:
        raise Unclear(_("Choose where they go."))
    alike = guests_alike(guests, [host])[host.pk]
    wishes = []
    for guest in guests:
        if guest.host_id == host.pk:
            wishes.append(Wish(guest, _("nothing to do: it is on %(host)s") % {"host": host.name}))
            continue
        data = {name: typed.get(name, "") for name in ("to", "copy_storage", "shared")}
        form = MigrateForm(data, guest=guest, by=by, found=[Destination(host, why_not(guest, host, alike))])
        if not form.is_valid():
            wishes.append(Wish(guest, " ".join(str(error) for errors in form.errors.values() for error in errors)))
            continue
        parameters = form.parameters() | {"copy_storage": form.offers_copy and form.cleaned_data["copy_storage"]}
        wishes.append(Wish(guest, kind="migrate", parameters=parameters, before=form.before()))
        if guest.is_active and host.free_memory_kib is not None:
            host.free_memory_kib -= guest.current_kib  # of the row in memory: the next ones find what is left
    return wishes


def _snapshot(_kind: str, guests: list[Guest], by: AbstractBaseUser, typed: QueryDict) -> list[Wish]:
    """Of each one, under the name that was typed or that of the moment, as its own form would ask it."""
    name = typed.get("name", "").strip()
    if name and not NAME.fullmatch(name):
        raise Unclear(_("Letters, digits, dots, hyphens and underscores, at most 63, and not digits alone."))
    wishes = []
    for guest in guests:
        form = TakeSnapshotForm({"name": name or free_name(guest), "description": ""}, guest=guest, by=by)
        if form.is_valid():
            wishes.append(Wish(guest, kind="take_snapshot", parameters=form.parameters(), before=form.before()))
        else:
            wishes.append(Wish(guest, " ".join(str(error) for errors in form.errors.values() for error in errors)))
    return wishes


def _delete(_kind: str, guests: list[Guest], _by: AbstractBaseUser, _typed: QueryDict) -> list[Wish]:
    """Their definitions alone: which disks go with a guest is chosen on its own page, and none is forced off."""
    return [_delete_of(guest) for guest in guests]


def _delete_of(guest: Guest) -> Wish:
    if guest.privileged:
        return Wish(guest, _("not possible: it is the host itself"))
    if guest.is_active:
        return Wish(guest, _("It runs: shut it off first."))
    before = {"state": guest.state, "snapshots": [one["name"] for one in guest.snapshots]}
    return Wish(guest, kind="delete_guest", parameters={"disks": [], "force_off": False}, before=before)


def refuse_unnamed(guests: list[Guest], typed: str) -> None:
    """Unclear unless the names of all of these were typed, in any order."""
    if sorted(typed.split()) != sorted(" ".join(guest.name for guest in guests).split()):
        raise Unclear(_("Type the names of all of them, with spaces between."))


def _tags(kind: str, guests: list[Guest], _by: AbstractBaseUser, typed: QueryDict) -> list[Wish]:
    try:
        words = frozenset(tag_names(typed.get("tags", "")))
    except ValidationError as error:
        raise Unclear(" ".join(error.messages)) from error
    if not words:
        raise Unclear(_("Name at least one tag."))
    return [_tags_of(guest, words, add=kind == "tag") for guest in guests]


def _tags_of(guest: Guest, words: frozenset[str], *, add: bool) -> Wish:
    now = frozenset(tag.name for tag in guest.tags.all())
    wanted = now | words if add else now - words
    if wanted == now:
        return Wish(guest, _("nothing to do: it has these tags") if add else _("nothing to do: it has none of these"))
    try:
        return Wish(guest, tags=frozenset(tag_names(" ".join(wanted))))
    except ValidationError as error:
        return Wish(guest, " ".join(error.messages))


@dataclass(frozen=True, slots=True)
class Choice:
    """One host in the question of a migration, and how many of the guests fit there."""

    name: str
    free_kib: int | None
    memory_kib: int | None
    fit: int
    why_not: str  # where none fits: of the first


def choices(guests: list[Guest], by: AbstractBaseUser) -> list[Choice]:
    """Every host to which the person may bring guests. Two queries."""
    hosts = list(hosts_held(by, Action.MIGRATE).filter(enabled=True).order_by("name"))
    alike = guests_alike(guests, hosts)
    found = []
    for host in hosts:
        reasons = [
            why_it_stays(guest) or why_not(guest, host, alike[host.pk]) for guest in guests if guest.host_id != host.pk
        ]
        fit = sum(not reason for reason in reasons)
        why = "" if fit else next(iter(reasons), _("All of them are there."))
        found.append(Choice(host.name, host.free_memory_kib, host.memory_kib, fit, why))
    return found


_RESET = gettext_lazy("Like the reset button: the guest starts again at once, unsaved data in it is lost.")
_DELETED = gettext_lazy(
    "Their definitions, what of their memory is saved, and what is known of their snapshots go for good. Their disks "
    "stay in their pools."
)
_LOST = gettext_lazy("Like pulling the plug: unsaved data in the guest is lost.")
_FORGOTTEN = gettext_lazy("It boots anew at its next start, as after a power cut: what was open in it is lost.")
_POWER = ("start", "start_paused", "resume", "shut_down", "pause", "reboot", "save")
BULK_ACTS: Mapping[str, BulkAct] = {
    **{kind: BulkAct(ACTS[kind].label, Action.POWER, _power) for kind in _POWER},
    "force_off": BulkAct(ACTS["force_off"].label, Action.POWER, _power, asks=True, danger=_LOST),
    "discard_saved": BulkAct(ACTS["discard_saved"].label, Action.POWER, _power, asks=True, danger=_FORGOTTEN),
    "reset": BulkAct(ACTS["reset"].label, Action.POWER, _power, asks=True, danger=_RESET),
    "autostart_on": BulkAct(gettext_lazy("Start with the host"), Action.POWER, _autostart),
    "autostart_off": BulkAct(gettext_lazy("Do not start with the host"), Action.POWER, _autostart),
    "migrate": BulkAct(gettext_lazy("Migrate"), Action.MIGRATE, _migrate, asks=True),
    "take_snapshot": BulkAct(gettext_lazy("Take a snapshot"), Action.DEVICES, _snapshot, asks=True),
    "delete_guest": BulkAct(gettext_lazy("Delete"), Action.DEVICES, _delete, asks=True, danger=_DELETED, named=True),
    "tag": BulkAct(gettext_lazy("Add tags"), Action.GRANT, _tags, asks=True),
    "untag": BulkAct(gettext_lazy("Take tags away"), Action.GRANT, _tags, asks=True),
}
