"""CSV that a spreadsheet shows and does not obey (OWASP: CSV injection)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

_OBEYED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def inert(value: object) -> str:
    """A cell's text; one that a spreadsheet would take for a formula gets an apostrophe in front."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_OBEYED) else text


def csv_line(cells: Iterable[object]) -> str:
    """One line, every cell inert."""
    line = io.StringIO()
    csv.writer(line).writerow([inert(cell) for cell in cells])
    return line.getvalue()
