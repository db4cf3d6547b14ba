"""One row of a list of guests: everything that is shown, made once in Python, so that a template only places it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote
from uuid import UUID

from django.template.loader import render_to_string
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from guests.inventory.models import Guest, Host
from guests.operations.kinds import KINDS
from guests.operations.models import Operation
from guests.resources import GuestState
from guests.templatetags.guesthouse import STATE_WORDS, ago, icon, lasting, mark_of, state_mark
from guests.templatetags.measures import bar_svg, memory_amount, memory_label, memory_unit, sparkline_svg
from guests.units import rate_number

# Which acts fit a state. Force off is not among them: it wants a question first, on the guest's own page.
FITTING: Mapping[str, tuple[str, ...]] = {
    GuestState.RUNNING: ("shut_down", "reboot", "pause"),
    GuestState.IDLE: ("shut_down", "reboot", "pause"),
    GuestState.PAUSED: ("resume",),
    GuestState.SHUT_OFF: ("start",),
    GuestState.CRASHED: ("start",),
}
# Stand in for the guest in the actions' template, which is rendered once and not for each row.
_ID, _NAME = "00000000-0000-4000-8000-0000000055e5", "{guest-name}"


@dataclass(frozen=True, slots=True)
class GuestRow:
    """What one row shows. `acts` names what this person may ask of it now, space-separated."""

    id: str
    name: str
    row_class: str
    acts: str
    select: str
    state: SafeString
    sub: SafeString
    domain_id: str
    host: str
    host_url: str
    memory: SafeString
    vcpus: str
    vcpus_maximum: str
    cpu: SafeString
    disk: SafeString
    network: SafeString
    since: str
    actions: SafeString


def fitting(guest: Guest) -> tuple[str, ...]:
    """What can be asked of the guest in its state; nothing of a host's own privileged guest."""
    return () if guest.privileged else FITTING.get(guest.state, ())


def build_rows(
    guests: Iterable[Guest],
    *,
    hosts: Mapping[UUID, Host],
    stale: Collection[UUID],
    operations: Mapping[UUID, Operation],
    powered: Collection[UUID] | None,
    now: datetime,
) -> list[GuestRow]:
    """The rows of these guests. `powered` holds those on which the person may act, None for all of them."""
    language = get_language() or ""
    words = {state: str(word) for state, word in STATE_WORDS.items()}
    select = escape(_("Select %(name)s"))
    rows = []
    for guest in guests:
        host = hosts[guest.host_id]
        is_stale = guest.host_id in stale
        acts = () if is_stale or not (powered is None or guest.pk in powered) else fitting(guest)
        shown = GuestState.UNKNOWN if is_stale else GuestState(guest.state)
        text_id, name = str(guest.pk), escape(guest.name)
        has_values = guest.is_active and not is_stale
        rows.append(
            GuestRow(
                id=text_id,
                name=name,
                row_class=' class="stale"' if is_stale else "",
                acts=" ".join(acts),
                select=mark_safe(select % {"name": name}),  # noqa: S308 the name is escaped
                state=_state(mark_of(shown), words[shown]),
                sub=_sub(guest, host, operations.get(guest.pk), is_stale=is_stale),
                domain_id="–" if guest.domain_id is None else str(guest.domain_id),
                host=host.name,
                host_url=_host_url(host.name),
                memory=_memory(guest, operations.get(guest.pk)),
                vcpus=str(guest.vcpus_current),
                vcpus_maximum=str(guest.vcpus_maximum),
                cpu=_cpu(guest) if has_values else NOTHING,
                disk=_rates(guest.disk_read_rate, guest.disk_written_rate, "disk", language) if has_values else NOTHING,
                network=_rates(guest.received_rate, guest.sent_rate, "network", language) if has_values else NOTHING,
                since="?" if guest.state_since is None else lasting((now - guest.state_since).total_seconds()),
                actions=mark_safe(  # noqa: S308 a template's output; the name is escaped
                    _actions(acts, is_active=has_values, language=language).replace(_ID, text_id).replace(_NAME, name)
                ),
            )
        )
    return rows


NOTHING = mark_safe('<span class="muted">–</span>')


@lru_cache(maxsize=256)
def _state(mark: str, word: str) -> SafeString:
    return state_mark(mark, word)


@lru_cache(maxsize=1024)
def _host_url(name: str) -> str:
    return f"/hosts/{quote(name)}/"


@lru_cache(maxsize=256)
def _actions(acts: tuple[str, ...], *, is_active: bool, language: str) -> str:
    """The buttons of a row, rendered once for each set of acts; id and name are put in afterwards."""
    return render_to_string(
        "guests/includes/row_actions.html",
        {"acts": acts, "first": acts[0] if acts else "", "is_active": is_active, "id": _ID, "name": _NAME},
    ).strip()


def tag(text: str, kind: str = "", mark: str = "") -> SafeString:
    """A small label."""
    return format_html('<span class="gh-tag {}">{}{}</span>', kind, icon(mark) if mark else "", text)


def _sub(guest: Guest, host: Host, operation: Operation | None, *, is_stale: bool) -> SafeString:
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


def pending_words(guest: Guest) -> str:
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


def _memory(guest: Guest, operation: Operation | None) -> SafeString:
    """Used of current of maximum, and its bar; "?" for a use that is not known, "–" for a guest that is not running."""
    unit_kib, unit = memory_unit(guest.maximum_kib)
    whole = max(1, guest.maximum_kib)
    used = guest.used_kib
    current, maximum = memory_amount(guest.current_kib, unit_kib), memory_amount(guest.maximum_kib, unit_kib)
    asked = (
        operation.parameters.get("kib")
        if operation is not None and operation.kind == "set_current_memory" and operation.parameters.get("live")
        else None
    )
    held = guest.balloon_kib if asked and guest.balloon_kib else guest.current_kib
    if not guest.is_active:
        left = "–"
        label = _("not running, current memory %(current)s of %(maximum)s %(unit)s") % {
            "current": current,
            "maximum": maximum,
            "unit": unit,
        }
    else:
        left = "?" if used is None else memory_amount(used, unit_kib)
        label = memory_label(_("unknown") if used is None else left, current, maximum, unit)
    bar = bar_svg(
        None if used is None else round(100 * used / whole, 1),
        round(100 * held / whole, 1) if guest.is_active else 0.0,
        round(100 * asked / whole, 1) if isinstance(asked, int) else None,
        label,
    )
    if isinstance(asked, int) and asked != held:
        strong = f'<b class="strong accent">{memory_amount(held, unit_kib)} → {memory_amount(asked, unit_kib)}</b>'
    else:
        strong = f'<b class="strong">{current}</b>'
    if left == "?":
        left = f'<abbr title="{escape(_("The guest does not report what it uses"))}">?</abbr>'
    of_current = _("%(used)s of %(current)s") % {"used": left, "current": strong}
    of_maximum = _("of %(maximum)s %(unit)s") % {"maximum": maximum, "unit": unit}
    return mark_safe(  # noqa: S308 numbers and units of ours
        f'<div class="gh-mem"><span><span>{of_current}</span><span class="unit">{of_maximum}</span></span>{bar}</div>'
    )


def _cpu(guest: Guest) -> SafeString:
    percent = "?" if guest.cpu_percent is None else str(round(guest.cpu_percent))
    label = _("CPU, last hour, now %(percent)s %%") % {"percent": percent}
    spark = sparkline_svg(guest.cpu_history, label)
    return mark_safe(  # noqa: S308 numbers of ours
        f'<div class="gh-cpu">{spark}<span>{percent} <span class="unit">%</span></span></div>'
    )


@lru_cache(maxsize=8)
def _rate_marks(kind: str, language: str) -> tuple[tuple[str, str], tuple[str, str]]:
    if kind == "disk":
        return (_("read"), _("R")), (_("written"), _("W"))
    return (_("received"), "↓"), (_("sent"), "↑")


def _rates(first: float | None, second: float | None, kind: str, language: str) -> SafeString:
    """Two rates under each other; "–" where neither is known."""
    if first is None and second is None:
        return NOTHING
    lines = []
    for (word, mark), value in zip(_rate_marks(kind, language), (first, second), strict=True):
        number, unit = ("?", "") if value is None else rate_number(value)
        lines.append(f'<span><abbr title="{word}">{mark}</abbr><span>{number}</span><span>{unit}</span></span>')
    return mark_safe(f'<div class="gh-io">{"".join(lines)}</div>')  # noqa: S308 numbers and words of ours
