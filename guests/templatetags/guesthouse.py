"""The words and marks of every page: `{% load guesthouse %}`.

Filters: `memory` (KiB), `rate` (bytes per second), `size` (bytes), `ago`, `lasting`, `state_word`.
Tags: `icon`, `state`, `operation_state`, `memory_bar`, `sparkline`. None is "not known" and shown as "?".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

from django import template
from django.forms import BoundField
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from guests.inventory.models import Guest
from guests.operations.host_kinds import kind_of
from guests.operations.models import Operation, OperationState
from guests.resources import GuestState
from guests.templatetags.measures import bar_svg, memory_amount, memory_label, memory_unit, sparkline_svg
from guests.units import memory_text, rate_number, size_text

register = template.Library()

STATE_WORDS = {
    GuestState.RUNNING: gettext_lazy("Running"),
    GuestState.IDLE: gettext_lazy("Idle"),
    GuestState.PAUSED: gettext_lazy("Paused"),
    GuestState.IN_SHUTDOWN: gettext_lazy("In shutdown"),
    GuestState.SHUT_OFF: gettext_lazy("Shut off"),
    GuestState.CRASHED: gettext_lazy("Crashed"),
    GuestState.PMSUSPENDED: gettext_lazy("Suspended"),
    GuestState.UNKNOWN: gettext_lazy("Unknown"),
}
# Drawn with the mark of the state that it is most like.
STATE_MARKS = {GuestState.IDLE: "running", GuestState.PMSUSPENDED: "paused"}


@cache
def icons_url() -> str:
    """Where the icons lie; asked once a process, since the hashed name does not change while it runs."""
    return static("icons.svg")


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """One of Tabler's icons: `{% icon "power" %}`, `{% icon "search" "i-sm" %}`."""
    return format_html(
        '<svg class="i{}" aria-hidden="true"><use href="{}#i-{}"/></svg>',
        f" {classes}" if classes else "",
        icons_url(),
        name,
    )


def state_mark(mark: str, word: str) -> SafeString:
    """A shape, a colour and a word."""
    return format_html(
        '<span class="gh-state {0}"><svg aria-hidden="true"><use href="{1}#s-{0}"/></svg>{2}</span>',
        mark,
        icons_url(),
        word,
    )


def mark_of(state: str) -> str:
    """The name of the mark of a guest's state."""
    return STATE_MARKS.get(GuestState(state), str(state))


@register.filter
def state_word(value: str) -> str:
    """The word for a guest's state."""
    return str(STATE_WORDS[GuestState(value)])


@register.simple_tag
def state(value: str) -> SafeString:
    """A guest's state: `{% state guest.state %}`."""
    return state_mark(mark_of(value), state_word(value))


@register.simple_tag
def operation_state(value: str) -> SafeString:
    """An operation's state: `{% operation_state operation.state %}`."""
    found = OperationState(value)
    return state_mark("op-running" if found is OperationState.RUNNING else found.value, str(found.label))


@register.filter
def memory(kib: int | None) -> str:
    """KiB as "1.5 GiB"."""
    return "?" if kib is None else memory_text(int(kib))


@register.filter
def rate(bytes_per_second: float | None) -> str:
    """Bytes per second as "18.2 MiB/s"."""
    return "?" if bytes_per_second is None else " ".join(rate_number(bytes_per_second))


@register.filter
def size(size_bytes: int | None) -> str:
    """Bytes as "8.2 GiB"."""
    return "?" if size_bytes is None else size_text(int(size_bytes))


@register.filter
def grouped(number: int) -> str:
    """A large number as the language groups its digits: 16,777,216."""
    return number_format(number, use_l10n=True, force_grouping=True)


@register.filter
def lasting(since: datetime | timedelta | float | None) -> str:
    """How long: "20 s", "38 min", "2 h 10 min", "12 d 4 h", "140 d"; since a moment, or of so many seconds."""
    if since is None:
        return "?"
    if isinstance(since, datetime):
        since = timezone.now() - since
    seconds = int(since.total_seconds() if isinstance(since, timedelta) else since)
    if seconds < 60:
        return _("%(s)d s") % {"s": max(0, seconds)}
    minutes = seconds // 60
    if minutes < 60:
        return _("%(m)d min") % {"m": minutes}
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return _("%(h)d h %(m)d min") % {"h": hours, "m": minutes} if minutes else _("%(h)d h") % {"h": hours}
    days, hours = divmod(hours, 24)
    if days < 100 and hours:
        return _("%(d)d d %(h)d h") % {"d": days, "h": hours}
    return _("%(d)d d") % {"d": days}


@register.filter
def ago(when: datetime | None) -> str:
    """How long ago: "4 min ago"; "never" for None."""
    return _("never") if when is None else _("%(time)s ago") % {"time": lasting(when)}


@register.filter
def until(when: datetime | None) -> str:
    """How long from now: "in 12 s"; "now" for what is due."""
    if when is None or when <= timezone.now():
        return _("now")
    return _("in %(time)s") % {"time": lasting(when - timezone.now())}


@register.simple_tag
def memory_bar(guest: Guest, asked_kib: int | None = None, *, big: bool = False) -> SafeString:
    """Used of current of maximum, with what was asked dashed; its numbers are the caller's to write beside it."""
    unit_kib, unit = memory_unit(guest.maximum_kib)
    maximum = max(1, guest.maximum_kib)
    used = guest.used_kib
    label = memory_label(
        _("unknown") if used is None else memory_amount(used, unit_kib),
        memory_amount(guest.current_kib, unit_kib),
        memory_amount(guest.maximum_kib, unit_kib),
        unit,
    )
    return bar_svg(
        None if used is None else round(used * 100 / maximum, 1),
        round(guest.current_kib * 100 / maximum, 1) if guest.is_active else 0,
        None if asked_kib is None else round(asked_kib * 100 / maximum, 1),
        escape(label),
        big=big,
    )


@register.simple_tag
def sparkline(history: str, now: float | None = None, *, tall: bool = False) -> SafeString:
    """The CPU of the last hour: `{% sparkline guest.cpu_history guest.cpu_percent %}`."""
    label = _("CPU, last hour") if now is None else _("CPU, last hour, now %(percent)d %%") % {"percent": round(now)}
    return sparkline_svg(history, escape(label), "gh-spark tall" if tall else "gh-spark")


@register.filter
def guests_counted(count: int) -> str:
    """How many: "1 guest", "6 guests"."""
    return ngettext("%(count)d guest", "%(count)d guests", count) % {"count": count}


@register.filter
def control(field: BoundField) -> SafeString:
    """A form field with this product's classes, and told apart when it was refused."""
    widget = field.field.widget
    classes = {"checkbox": "form-check-input", "select": "form-select"}.get(field.widget_type, "form-control")
    attributes: dict[str, str | bool] = {"class": " ".join(filter(None, [widget.attrs.get("class"), classes]))}
    if field.errors:
        attributes["aria-invalid"] = "true"
        attributes["aria-describedby"] = f"{field.id_for_label}_error"
    return field.as_widget(attrs=attributes)


@register.simple_tag
def operation_label(operation: Operation) -> str:
    """What was asked: the kind's own words."""
    kind = kind_of(operation)
    return operation.kind if kind is None else str(kind.label)


@register.simple_tag
def state_of(mark: str, word: str) -> SafeString:
    """Any state mark with any word: `{% state_of "done" word %}`."""
    return state_mark(mark, word)
