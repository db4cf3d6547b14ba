"""Reading a console log: what there is, where a text stands, and the log as a download. Bounded in time and size.

Everything here reads files and may take its time: call it in a thread.
"""

from __future__ import annotations

import codecs
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from consoles.text.console_log import MARK, OUTPUT, Part, Record, parts_of, records_of
from consoles.text.plain_text import Lines, stripped

HITS = 100
SEARCH_SECONDS = 2.0
INFO_SECONDS = 2.0
RANGE_BYTES = 256 * 1024
BUCKETS = 200  # of the time line
MARKS = 500
COLUMNS, ROWS = 80, 24  # a serial line has no size; this is what most programs take


@dataclass(frozen=True, slots=True)
class Hit:
    """A line that holds what was searched for."""

    at: float
    offset: int
    text: str


@dataclass(slots=True)
class Found:
    """The newest hits, newest first; `before` is where to search on (0: everything was searched)."""

    hits: list[Hit] = field(default_factory=list)
    before: int = 0


def search(directory: Path, needle: str, *, before: int = 0) -> Found:
    """Lines with `needle` in any case, from the newest on, only those that begin before that offset (0: all)."""
    wanted = needle.casefold()
    found = Found()
    deadline = time.monotonic() + SEARCH_SECONDS
    for part in reversed(parts_of(directory)):
        if before and part.offset >= before:
            continue
        if time.monotonic() > deadline:
            found.before = _end(part)
            return found
        for hit in reversed(_hits(part, wanted, before)):
            if len(found.hits) == HITS:
                found.before = found.hits[-1].offset
                return found
            found.hits.append(hit)
    return found


def _end(part: Part) -> int:
    end = part.offset
    for record in records_of(part):
        end = record.offset + len(record.content) if record.kind == OUTPUT else end
    return end


def _hits(part: Part, wanted: str, before: int) -> list[Hit]:
    lines, hits = Lines(), []
    complete = (
        line
        for record in records_of(part)
        if record.kind == OUTPUT
        for line in lines.feed(record.at, record.offset, record.content)
    )
    for source in (complete, lines.rest()):
        for line in source:
            if (not before or line.offset < before) and wanted in line.text.casefold():
                hits.append(Hit(line.at, line.offset, line.text[:500]))
    return hits


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a log by time; None is its end. Unix times."""

    since: float | None = None
    until: float | None = None


def records(directory: Path, span: Span) -> Iterator[Record]:
    """Output and marks in a span, oldest first."""
    parts = parts_of(directory)
    for part, following in zip_longest(parts, parts[1:]):
        if span.since is not None and following is not None and following.at <= span.since:
            continue
        if span.until is not None and part.at > span.until:
            return
        for record in records_of(part):
            if span.until is not None and record.at > span.until:
                return
            if span.since is None or record.at >= span.since:
                yield record


def overview(directory: Path) -> dict[str, Any]:
    """What the log holds: size, times, offsets, activity for a time line, and marks."""
    parts = parts_of(directory)
    if not parts:
        return {"bytes": 0, "stored_bytes": 0, "first_at": None, "last_at": None, "activity": [], "marks": []}
    first_at, last_at, end = parts[0].at, parts[0].at, parts[0].offset
    marks: list[dict[str, Any]] = []
    seconds: dict[int, int] = {}
    deadline = time.monotonic() + INFO_SECONDS
    complete = True
    for part in reversed(parts):
        if time.monotonic() > deadline:
            complete = False
            break
        for record in records_of(part):
            last_at = max(last_at, record.at)
            if record.kind == MARK:
                marks.append(
                    {"kind": record.content.decode("ascii", "replace"), "at": record.at, "offset": record.offset}
                )
            else:
                end = max(end, record.offset + len(record.content))
                seconds[int(record.at)] = seconds.get(int(record.at), 0) + len(record.content)
    marks.sort(key=lambda mark: float(mark["at"]))
    return {
        "bytes": end - parts[0].offset,
        "stored_bytes": sum(_size(part.path) for part in parts),
        "from": parts[0].offset,
        "to": end,
        "first_at": first_at,
        "last_at": last_at,
        "activity": _buckets(seconds, first_at, last_at),
        "marks": marks[-MARKS:],
        "complete": complete,
    }


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # trimmed, or compressed, meanwhile
        return 0


def _buckets(seconds: dict[int, int], first: float, last: float) -> list[int]:
    """Bytes in each of 200 equal pieces of the time."""
    buckets = [0] * BUCKETS
    width = max(last - first, 1.0) / BUCKETS
    for second, size in seconds.items():
        buckets[min(BUCKETS - 1, max(0, int((second - first) / width)))] += size
    return buckets


@dataclass(frozen=True, slots=True)
class Range:
    """A piece of the log by offset, as lines."""

    start: int
    end: int
    lines: list[Hit]


def read_range(directory: Path, start: int, limit: int) -> Range:
    """The lines from an offset on, at most so many bytes; from the oldest byte that is kept where it left the log."""
    limit = min(limit, RANGE_BYTES)
    lines, found = Lines(), []
    begin = end = None
    parts = parts_of(directory)
    for part, following in zip_longest(parts, parts[1:]):
        if following is not None and following.offset <= start:
            continue
        for record in records_of(part):
            skipped = max(0, start - record.offset)
            content = record.content[skipped:]
            if record.kind != OUTPUT or not content:
                continue
            begin = record.offset + skipped if begin is None else begin
            end = record.offset + len(record.content) if end is None else end
            content = content[: max(0, begin + limit - (record.offset + skipped))]
            if not content:
                break
            end = record.offset + skipped + len(content)
            found += [
                Hit(line.at, line.offset, line.text) for line in lines.feed(record.at, record.offset + skipped, content)
            ]
        if begin is not None and end is not None and end - begin >= limit:
            break
    found += [Hit(line.at, line.offset, line.text) for line in lines.rest()]
    return Range(begin if begin is not None else start, end if end is not None else start, found)


def as_text(directory: Path, span: Span, *, raw: bool) -> Iterator[bytes]:
    """The log as a text file: as a reader sees it, or every byte as the guest wrote it."""
    if raw:
        yield from (record.content for record in records(directory, span) if record.kind == OUTPUT)
        return
    lines = Lines()
    for record in records(directory, span):
        if record.kind == OUTPUT:
            text = "".join(line.text + "\n" for line in lines.feed(record.at, record.offset, record.content))
            if text:
                yield text.encode()
    for line in lines.rest():
        yield (line.text + "\n").encode()


def as_cast(directory: Path, span: Span, title: str) -> Iterator[bytes]:
    """The log as asciicast v2 (docs.asciinema.org/manual/asciicast/v2): a header line, then [seconds, code, data]."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    first: float | None = None
    last = 0.0
    for record in records(directory, span):
        if first is None:
            first = record.at
            yield _cast_head(first, title)
        last = max(last, record.at - first)  # the clock of a host may be set back; a recording's time goes forward
        if record.kind == OUTPUT:
            text, code = decoder.decode(record.content), "o"
        else:
            text, code = stripped(record.content.decode("ascii", "replace")), "m"
        if text:
            yield (json.dumps([round(last, 6), code, text], ensure_ascii=False) + "\n").encode("utf-8", "replace")
    if first is None:
        yield _cast_head(time.time() if span.since is None else span.since, title)


def _cast_head(at: float, title: str) -> bytes:
    head = {"version": 2, "width": COLUMNS, "height": ROWS, "timestamp": int(at), "idle_time_limit": 2, "title": title}
    return (json.dumps(head, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def as_json(found: Found | Range) -> dict[str, Any]:
    """For a STATUS message."""
    return asdict(found)
