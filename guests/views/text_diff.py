"""What differs between two texts, line by line, with the words that changed in a line marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

CONTEXT = 3  # lines around a change
MOST_LINES = 5000  # of each text: comparing takes up to the square of it
MOST_PAIRED, MOST_MARKED = 100, 600  # lines that changed at once, and characters of one, whose words are compared
LIKE_ENOUGH = 0.4  # of two lines, 0 to 1: more unlike ones are two lines, and not one that changed
_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line. `kind`: same, add, del, or gap (`text` says where the next lines stand)."""

    kind: str
    text: SafeString | str

    @property
    def sign(self) -> str:
        """What stands before it: told apart without colours."""
        return {"add": "+", "del": "-", "same": " "}.get(self.kind, "")


@dataclass(frozen=True, slots=True)
class TextDiff:
    """`lines` is empty where nothing differs, and where the texts are too long to be compared."""

    lines: tuple[DiffLine, ...]
    added: int = 0
    removed: int = 0
    too_long: bool = False

    @property
    def html(self) -> SafeString:
        """To stand in a `<pre>`."""
        shown = ((line.kind, line.sign, line.text) for line in self.lines)
        return format_html_join("", '<span class="d-{}">{}{}\n</span>', shown)


def diff_of(before: str, after: str) -> TextDiff:
    """From one text to another; the way lines end does not count."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > MOST_LINES and old != new:
        return TextDiff((), too_long=True)
    lines: list[DiffLine] = []
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT):
        lines.append(DiffLine("gap", _("Line %(line)d") % {"line": group[0][3] + 1}))
        for kind, old_from, old_to, new_from, new_to in group:
            if kind == "equal":
                lines += [DiffLine("same", line) for line in old[old_from:old_to]]
            else:
                lines += _changed(old[old_from:old_to], new[new_from:new_to])
    counts = {kind: sum(line.kind == kind for line in lines) for kind in ("add", "del")}
    return TextDiff(tuple(lines), counts["add"], counts["del"])


def _changed(old: Sequence[str], new: Sequence[str]) -> Iterator[DiffLine]:
    is_paired = len(old) == len(new) <= MOST_PAIRED
    pairs = [_marked(before, after) for before, after in zip(old, new, strict=True)] if is_paired else []
    for number, line in enumerate(old):
        yield DiffLine("del", pairs[number][0] if pairs else line)
    for number, line in enumerate(new):
        yield DiffLine("add", pairs[number][1] if pairs else line)


def _marked(before: str, after: str) -> tuple[SafeString | str, SafeString | str]:
    """Two versions of one line, with what went and what came in elements of their own."""
    if max(len(before), len(after)) > MOST_MARKED:
        return before, after
    old, new = _WORD.findall(before), _WORD.findall(after)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < LIKE_ENOUGH:
        return before, after
    went, came = [], []
    for kind, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        went.append((kind != "equal", "".join(old[old_from:old_to])))
        came.append((kind != "equal", "".join(new[new_from:new_to])))
    return _joined("del", went), _joined("ins", came)


def _joined(tag: str, pieces: list[tuple[bool, str]]) -> SafeString:
    marked = "<" + tag + ">{}</" + tag + ">"
    shown = (format_html(marked if is_new else "{}", text) for is_new, text in pieces if text)
    return format_html_join("", "{}", ((piece,) for piece in shown))
