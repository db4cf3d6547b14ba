"""One row of a list of guests: everything that is shown, made once in Python, so that a template only places it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote
from uuid import UUID

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from guests.inventory.models import Guest, Host
from guests.operations.kinds import KINDS
from guests.operations.models import Operation
from guests.resources import GuestState
from guests.templatetags.guesthouse import STATE_WORDS, ago, icon, lasting, mark_of, state_mark
from guests.templatetags.measures import bar_svg, memory_amount, memory_unit, sparkline_svg
from guests.units import rate_number
from guests.views.listed_guest import ListedGuest
from guests.views.power_acts import FITTING
from guests.views.row_template import filled


@dataclass(frozen=True, slots=True)
class GuestRow:
    """What one row shows, all of it safe text. `acts` names what this person may ask of it now, space-separated."""

    id: str
    url: str
    name: str
    row_class: str
    acts: str
    state: str
    sub: str
    domain_id: str
    host: str
    host_url: str
    used: str
    current: str
    maximum: str
    bar: str
    vcpus: int
    vcpus_maximum: int
    cpu: str
    disk: str
    network: str
    since: str
    actions: str
    tile_class: str
    picture: str  # of cards; "" in a table


class _Names(NamedTuple):
    """What the actions of a row say."""

    id: str
    url: str
    name: str


@dataclass(frozen=True, slots=True)
class RowWords:
    """What rows say, in the language of the request: asked once for a page."""

    language: str
    states: dict[GuestState, str]
    memory: str
    memory_off: str
    unknown: str
    unreported: str
    cpu: str
    rates: tuple[tuple[str, str], ...]

    @classmethod
    def now(cls) -> RowWords:
        return _words(get_language() or "")


@lru_cache(maxsize=16)
def _words(language: str) -> RowWords:
    return RowWords(
        language=language,
        states={state: escape(word) for state, word in STATE_WORDS.items()},
        memory=escape(_("used %(used)s, current %(current)s, maximum %(maximum)s %(unit)s")),
        memory_off=escape(_("not running, current memory %(current)s of %(maximum)s %(unit)s")),
        unknown=escape(_("unknown")),
        unreported=f'<abbr title="{escape(_("The guest does not report what it uses"))}">?</abbr>',
        cpu=escape(_("CPU, last hour, now %(percent)s %%")),
        rates=(
            (escape(_("read")), escape(_("R"))),
            (escape(_("written")), escape(_("W"))),
            (escape(_("received")), "↓"),
            (escape(_("sent")), "↑"),
        ),
    )


ROW_BUTTONS = {"start", "resume", "shut_down"}


def fitting(guest: Guest | ListedGuest) -> tuple[str, ...]:
    """What can be asked of the guest in its state; nothing of a host's own privileged guest."""
    if guest.privileged:
        return ()
    acts = FITTING.get(guest.state, ())
    return (*acts, "discard_saved") if guest.saved and acts[:1] == ("start",) else acts


def place_rows(rows: Iterable[GuestRow], template: str = "guests/includes/row.html") -> SafeString:
    """The rows as text of a table's body."""
    place = filled(template, get_language() or "")
    return SafeString("".join(map(place, rows)))


def build_rows(
    guests: Iterable[ListedGuest],
    *,
    hosts: Mapping[UUID, Host],
    stale: Collection[UUID],
    operations: Mapping[UUID, Operation],
    powered: Collection[UUID] | None,
    tags: Mapping[UUID, list[str]],
    now: datetime,
    pictures: Mapping[UUID, str] | None = None,
) -> list[GuestRow]:
    """The rows of these guests. `powered` holds those on which the person may act, None for all of them; `pictures`
    what cards show of their screens.
    """
    words = RowWords.now()
    rows = []
    for guest in guests:
        host = hosts[guest.host_id]
        is_stale = guest.host_id in stale
        operation = operations.get(guest.pk)
        acts = () if is_stale or not (powered is None or guest.pk in powered) else fitting(guest)
        shown = GuestState.UNKNOWN if is_stale else GuestState(guest.state)
        active = shown.is_active
        used, current, maximum, bar = _memory(guest, operation, words)
        text_id = str(guest.pk)
        names = _Names(text_id, f"/guests/{text_id}/", escape(guest.name))
        choices = (("first", acts[0] if acts and acts[0] in ROW_BUTTONS else ""), ("is_active", active))
        row = GuestRow(
            id=names.id,
            url=names.url,
            name=names.name,
            row_class=' class="stale"' if is_stale else "",
            acts=" ".join(acts),
            state=_state(mark_of(shown), words.states[shown]),
            sub=_sub(guest, host, operation, is_stale=is_stale) + _tags(tags.get(guest.pk)),
            domain_id="–" if guest.domain_id is None else str(guest.domain_id),
            host=escape(host.name),
            host_url=_host_url(host.name),
            used=used,
            current=current,
            maximum=maximum,
            bar=bar,
            vcpus=guest.vcpus_current,
            vcpus_maximum=guest.vcpus_maximum,
            cpu=_cpu(guest, words) if active else NOTHING,
            disk=_rates(guest.disk_read_rate, guest.disk_written_rate, words.rates[:2]) if active else NOTHING,
            network=_rates(guest.received_rate, guest.sent_rate, words.rates[2:]) if active else NOTHING,
            since="?" if guest.state_since is None else lasting((now - guest.state_since).total_seconds()),
            actions=filled("guests/includes/row_actions.html", words.language, choices)(names),
            tile_class="gh-tile stale" if is_stale else "gh-tile",
            picture="" if pictures is None else pictures[guest.pk],
        )
        rows.append(row)
    return rows


NOTHING = '<span class="muted">–</span>'


@lru_cache(maxsize=256)
def _state(mark: str, word: str) -> str:
    return state_mark(mark, mark_safe(word))  # noqa: S308 escaped with the words


@lru_cache(maxsize=1024)
def _host_url(name: str) -> str:
    return f"/hosts/{quote(name)}/"


def tag(text: str, kind: str = "", mark: str = "") -> SafeString:
    """A small label."""
    return format_html('<span class="gh-tag {}">{}{}</span>', kind, icon(mark) if mark else "", text)


def _sub(guest: ListedGuest, host: Host, operation: Operation | None, *, is_stale: bool) -> SafeString:
    """The second line: the one thing that most needs to be known."""
    if is_stale:
        return format_html("{}", _("last seen %(ago)s") % {"ago": ago(guest.seen_at or host.seen_at)})
    if operation is not None:
        return _moving(operation)
    if guest.conflict:
        return tag(_("same UUID on another host"), "bad", "alert-triangle")
    if pending := pending_words(guest):
        return tag(_("next boot: %(what)s") % {"what": pending}, "accent", "clock")
    if guest.privileged:
        return tag(_("privileged"), "", "shield-check")
    if guest.virtualisation == "para":
        return tag("PV")
    return format_html("{}", guest.reason) if guest.state == GuestState.CRASHED else SafeString("")


def _tags(names: list[str] | None) -> SafeString:
    return format_html_join(" ", '<span class="gh-tag">{}</span>', ((name,) for name in names or ()))


def _moving(operation: Operation) -> SafeString:
    """An operation that is under way: memory as a bar, others in words."""
    kind = KINDS.get(operation.kind)
    if operation.kind == "set_current_memory" and operation.progress_total:
        percent = round(100 * min(1.0, max(0.0, (operation.progress_done or 0) / operation.progress_total)))
        return format_html(
            '<progress class="gh-row-progress" max="100" value="{0}" aria-label="{1}">{0} %</progress>'
            '<span class="accent">{2}</span>',
            percent,
            _("Memory arriving"),
            _("memory arriving"),
        )
    return format_html(
        '<span class="accent">{}: {}</span>',
        kind.label if kind else operation.kind,
        operation.get_state_display().lower(),
    )


def pending_words(guest: Guest | ListedGuest) -> str:
    """What the next boot changes: "maximum 24.0 GiB"; "" for nothing."""
    if not guest.is_active:
        return ""
    unit_kib, unit = memory_unit(max(guest.maximum_kib, guest.next_boot_maximum_kib or 0))
    changes = []
    if guest.next_boot_maximum_kib not in (None, guest.maximum_kib):
        changes.append(
            _("maximum %(amount)s %(unit)s")
            % {"amount": memory_amount(guest.next_boot_maximum_kib or 0, unit_kib), "unit": unit}
        )
    if guest.next_boot_current_kib not in (None, guest.current_kib):
        changes.append(
            _("current %(amount)s %(unit)s")
            % {"amount": memory_amount(guest.next_boot_current_kib or 0, unit_kib), "unit": unit}
        )
    if guest.next_boot_vcpus_maximum not in (None, guest.vcpus_maximum):
        changes.append(_("at most %(count)d vCPUs") % {"count": guest.next_boot_vcpus_maximum or 0})
    if guest.next_boot_vcpus_current not in (None, guest.vcpus_current):
        changes.append(_("%(count)d vCPUs") % {"count": guest.next_boot_vcpus_current or 0})
    return ", ".join(changes)


def _memory(guest: ListedGuest, operation: Operation | None, words: RowWords) -> tuple[str, str, str, str]:
    """Used, current, maximum with unit, and the bar; "?" for a use that is not known, "–" where nothing runs."""
    unit_kib, unit = memory_unit(guest.maximum_kib)
    percent = 100 / max(1, guest.maximum_kib)
    used = guest.used_kib
    asked = _asked_kib(operation)
    held = guest.balloon_kib if asked and guest.balloon_kib else guest.current_kib
    current, maximum = memory_amount(guest.current_kib, unit_kib), memory_amount(guest.maximum_kib, unit_kib)
    strong = f'<b class="strong">{current}</b>'
    if not guest.is_active:
        label = words.memory_off % {"current": current, "maximum": maximum, "unit": unit}
        return "–", strong, f"{maximum} {unit}", bar_svg(None, 0.0, None, label)
    said = words.unknown if used is None else memory_amount(used, unit_kib)
    label = words.memory % {"used": said, "current": current, "maximum": maximum, "unit": unit}
    bar = bar_svg(
        None if used is None else round(used * percent, 1),
        round(held * percent, 1),
        None if asked is None else round(asked * percent, 1),
        label,
    )
    if asked is not None and asked != held:
        way = f"{memory_amount(held, unit_kib)} → {memory_amount(asked, unit_kib)}"
        strong = f'<b class="strong accent">{way}</b>'
    return words.unreported if used is None else said, strong, f"{maximum} {unit}", bar


def _asked_kib(operation: Operation | None) -> int | None:
    """The current memory that is on its way."""
    if operation is None or operation.kind != "set_current_memory" or not operation.parameters.get("live"):
        return None
    kib = operation.parameters.get("kib")
    return kib if isinstance(kib, int) else None


def _cpu(guest: ListedGuest, words: RowWords) -> str:
    percent = "?" if guest.cpu_percent is None else str(round(guest.cpu_percent))
    spark = sparkline_svg(guest.cpu_history, words.cpu % {"percent": percent})
    return f'<div class="gh-cpu">{spark}<span>{percent} <span class="unit">%</span></span></div>'


def _rates(first: float | None, second: float | None, marks: tuple[tuple[str, str], ...]) -> str:
    """Two rates under each other; "–" where neither is known."""
    if first is None and second is None:
        return NOTHING
    lines = []
    for (word, mark), value in zip(marks, (first, second), strict=True):
        number, unit = ("?", "") if value is None else rate_number(value)
        lines.append(f'<span><abbr title="{word}">{mark}</abbr><span>{number}</span><span>{unit}</span></span>')
    return f'<div class="gh-io">{"".join(lines)}</div>'
