"""Bars and sparklines as inline SVG: every size is an SVG attribute, since the page's policy allows no style attribute.

The grammar is one for all pages: used dark, current light, what was asked dashed, the rest up to the maximum empty.
"""

from __future__ import annotations

from functools import lru_cache

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from guests.units import KIB_PER_GIB, KIB_PER_MIB

SPARK_POINTS = 60  # one a minute for an hour
SPARK_HEIGHT = 20


def memory_amount(kib: int, unit_kib: int) -> str:
    """A number of one unit with two or three digits that matter: 0.25, 3.1, 24.0; whole in MiB."""
    value = kib / unit_kib
    if unit_kib == KIB_PER_MIB:
        return f"{value:.0f}"
    return f"{value:.2f}" if 0 < value < 0.95 and round(value, 1) != round(value, 2) else f"{value:.1f}"


def memory_unit(maximum_kib: int) -> tuple[int, str]:
    """The unit in which one guest's memory is told: GiB from half a GiB on."""
    return (KIB_PER_GIB, "GiB") if maximum_kib * 2 >= KIB_PER_GIB else (KIB_PER_MIB, "MiB")


@lru_cache(maxsize=8192)
def bar_svg(
    used: float | None, current: float, asked: float | None = None, label: str = "", *, big: bool = False
) -> SafeString:
    """A bar of 0 to 100: used dark, current light, the way to what was asked dashed; the label must be safe text."""
    parts = []
    if current > 0:
        parts.append(f'<rect class="current" x="0" width="{current:.4g}" height="8"/>')
    if used:
        parts.append(f'<rect class="used" x="0" width="{used:.4g}" height="8"/>')
    if asked is not None and asked != current:
        start, width = min(asked, current), abs(asked - current)
        parts.append(f'<rect class="ask" x="{start:.4g}" y="0.5" width="{width:.4g}" height="7"/>')
    size = " big" if big else ""
    return SafeString(  # numbers of ours; the label is safe
        f'<svg class="gh-bar{size}" viewBox="0 0 100 8" preserveAspectRatio="none" role="img"'
        f' aria-label="{label}">{"".join(parts)}</svg>'
    )


@lru_cache(maxsize=8192)
def sparkline_path(history: str) -> str:
    """The path of an hour of percentages ("12.5,,14": oldest first, nothing where not known), each run closed below.

    The last value stands at the right edge; the sides and the floor of the area lie outside of the view box, so that
    one element draws the line and its ground.
    """
    values = history.split(",")[-SPARK_POINTS:]
    first = SPARK_POINTS - len(values)
    runs: list[list[tuple[int, int]]] = []
    open_run = False
    for index, text in enumerate(values):
        try:
            value = float(text)
        except ValueError:
            open_run = False
            continue
        if not open_run:
            runs.append([])
            open_run = True
        height = 10 * SPARK_HEIGHT - round(min(100.0, max(0.0, value)) * (10 * SPARK_HEIGHT - 10) / 100)
        runs[-1].append((first + index, height))
    path = []
    for run in runs:
        points = " ".join(f"{x} {y}" for x, y in run)
        # A lone minute is drawn half a minute wide; what reaches an edge goes on beyond it, so that no side is drawn.
        start = -2 if run[0][0] == 0 else run[0][0]
        end = SPARK_POINTS + 1 if run[-1][0] == SPARK_POINTS - 1 else run[-1][0] + (0.5 if len(run) == 1 else 0)
        path.append(f"M{start} 240 {start} {run[0][1]} {points} {end:g} {run[-1][1]} {end:g} 240Z")
    return "".join(path)


def sparkline_svg(history: str, label: str, classes: str = "gh-spark") -> SafeString:
    """A sparkline, always 0 to 100 %; the label must be safe text."""
    box = f"0 0 {SPARK_POINTS - 1} {10 * SPARK_HEIGHT}"
    return SafeString(  # a path of ours; the label is safe
        f'<svg class="{classes}" viewBox="{box}" preserveAspectRatio="none" role="img"'
        f' aria-label="{label}"><path d="{sparkline_path(history)}"/></svg>'
    )


def memory_label(used: str, current: str, maximum: str, unit: str) -> str:
    """What a memory bar says to those who do not see it."""
    return _("used %(used)s, current %(current)s, maximum %(maximum)s %(unit)s") % {
        "used": used,
        "current": current,
        "maximum": maximum,
        "unit": unit,
    }
