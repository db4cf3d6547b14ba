"""A template that is rendered once and filled many times: a row of a long list costs one join instead of its nodes.

The template may use `{{ row.name }}` for each field of a frozen dataclass, also inside blocktranslate, and may not ask
about it. Fields must hold safe text: what comes from people is escaped when the row is built.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

# A character that no template of ours and, as HTML has no way to write it, no page holds.
_EDGE = "\x00"


class _Slots:
    """Answers every field with its own name between two edges."""

    def __getitem__(self, name: str) -> SafeString:
        return mark_safe(f"{_EDGE}{name}{_EDGE}")  # noqa: S308 a field's name


@lru_cache(maxsize=512)
def filled(template: str, language: str, choices: tuple[tuple[str, Any], ...] = ()) -> Callable[[Any], SafeString]:
    """A function from a row to its text; one a template, language and set of choices (plain context values)."""
    text = render_to_string(template, {"row": _Slots(), **dict(choices)}).strip()
    parts = re.split(f"{_EDGE}([a-z_]+){_EDGE}", text)
    literals, names = parts[::2], parts[1::2]
    if not names:
        return lambda row: SafeString(text)
    values = attrgetter(*names)
    pattern = "%s".join(literal.replace("%", "%%") for literal in literals)
    if len(names) == 1:
        return lambda row: SafeString(pattern % (values(row),))
    return lambda row: SafeString(pattern % values(row))
