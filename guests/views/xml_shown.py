"""XML as a page shows it: each line numbered, its parts in classes that CSS colours. Every word of it is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

MOST_COLOURED = 4000  # lines; longer ones are shown plain
_TAG = re.compile(r"<[^<>]*>")
_PART = re.compile(r"(?P<tag></?[^\s<>/='\"]+|/?>)|(?P<name>[^\s<>/='\"]+)(?==)|(?P<value>'[^']*'|\"[^\"]*\")")


def shown_xml(xml: str) -> SafeString:
    """The lines of a text, to stand in a `<pre>`."""
    lines = xml.rstrip("\n").split("\n")
    coloured = len(lines) <= MOST_COLOURED
    return format_html_join(
        "", '<span class="ln">{}\n</span>', ((_line(line) if coloured else line,) for line in lines)
    )


def _line(line: str) -> SafeString:
    return format_html_join("", "{}", ((piece,) for piece in _pieces(line)))


def _pieces(line: str) -> Iterator[str]:
    end = 0
    for tag in _TAG.finditer(line):
        yield line[end : tag.start()]
        yield from _parts(tag[0])
        end = tag.end()
    yield line[end:]


def _parts(tag: str) -> Iterator[str]:
    end = 0
    for part in _PART.finditer(tag):
        yield tag[end : part.start()]
        yield format_html('<span class="x-{}">{}</span>', part.lastgroup, part[0])
        end = part.end()
    yield tag[end:]
