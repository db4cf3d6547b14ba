"""Whether the record is as it was written: alteration, removal, insertion, reordering and truncation are found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from django.db.models import Exists, OuterRef

from guests.audit.anchoring import Head
from guests.audit.chain import GENESIS, digest_of, link_hash
from guests.audit.models import AuditLink, AuditRecord

CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was done to the record, as a sentence."""

    sentence: str

    def __str__(self) -> str:
        return self.sentence


def verify(until: Head, anchors: Iterable[Head] = ()) -> Iterator[Finding]:
    """Walk the chain up to the head `until`; `anchors` are heads that were kept elsewhere.

    Each break is told once, and the walk goes on with what stands there: one altered line is one finding.
    """
    expected: dict[int, list[Head]] = {}
    for known in anchors:
        expected.setdefault(known.position, []).append(known)
    before, next_position = GENESIS, 1
    for link, line in _linked_lines(until.position):
        if link.position != next_position:
            gone = (
                f"{next_position}" if link.position == next_position + 1 else f"{next_position} to {link.position - 1}"
            )
            yield Finding(f"position {gone} is missing: a line and its link were removed")
        yield from _about(link, line, before)
        for known in expected.pop(link.position, []):
            if known.hash != link.hash:
                yield Finding(f"at position {link.position} the chain is not the one that was anchored{_when(known)}")
        before, next_position = link.hash, link.position + 1
    for known in sorted((head for heads in expected.values() for head in heads), key=lambda head: head.position):
        if known.position >= next_position:
            yield Finding(f"the end was cut off: position {known.position} was anchored{_when(known)}")
    for pk in AuditRecord.objects.filter(~Exists(AuditLink.objects.filter(record=OuterRef("pk")))).values_list("pk"):
        yield Finding(f"line {pk[0]} stands outside the chain: it was put in beside it")


def _about(link: AuditLink, line: AuditRecord | None, before: str) -> Iterator[Finding]:
    if line is None:
        yield Finding(f"line {link.record_id} (position {link.position}) was removed")
        return
    if digest_of(line) != line.digest:
        yield Finding(f"line {line.pk} (position {link.position}) was altered")
    if link_hash(before, line.digest) != link.hash:
        yield Finding(
            f"the chain is broken at position {link.position}: lines were altered, removed or reordered there"
        )


def _when(known: Head) -> str:
    return f" on {known.at:%Y-%m-%d %H:%M:%S %Z}" if known.at else ""


def _linked_lines(until: int) -> Iterator[tuple[AuditLink, AuditRecord | None]]:
    """Every link in order with its line; None where that is gone."""
    links = AuditLink.objects.filter(position__lte=until).order_by("position").iterator(chunk_size=CHUNK)
    while chunk := list(islice(links, CHUNK)):
        lines = AuditRecord.objects.in_bulk([link.record_id for link in chunk])
        for link in chunk:
            yield link, lines.get(link.record_id)
