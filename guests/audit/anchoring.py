"""The chain's head, kept outside the database: whoever cuts the record's end off must cut this off, too.

Each host worker appends the head to a file of its own machine (`settings.AUDIT_HEADS`) and to the log, at most every
10 s and only when it moved: "2026-11-22T10:00:00+00:00 1234 <hash>". Lines of that file may be rotated away or moved to
another machine; any of them can be given to `manage.py audit verify`.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.utils import timezone

from guests.audit.models import AuditLink

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Head:
    """The last link of the chain as it was at some moment; position 0 before the first line."""

    position: int
    hash: str
    at: datetime | None = None

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"

    @classmethod
    def from_text(cls, text: str) -> Head:
        """What `str` wrote, as one keeps it by hand. ValueError where it is something else."""
        position, _, found = text.strip().partition(":")
        if not position.isdigit() or len(found) != 64:
            raise ValueError(f"{text!r} is no head: it must be position:hash, as `manage.py audit head` prints it")
        return cls(int(position), found)


def head() -> Head:
    """The chain's end now."""
    found = AuditLink.objects.order_by("-position").values_list("position", "hash").first()
    return Head(*found, at=timezone.now()) if found else Head(0, "", timezone.now())


def anchor(path: Path, last: Head | None = None) -> Head:
    """Append the head unless it is `last`; the head. OSError where the file cannot be written."""
    now = head()
    if now.position and (last is None or (now.position, now.hash) != (last.position, last.hash)):
        assert now.at is not None
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a") as file:
            file.write(f"{now.at.isoformat(timespec='seconds')} {now.position} {now.hash}\n")
            file.flush()
            os.fsync(file.fileno())
        logger.info("audit head %s", now)
    return now


def anchored_heads(path: Path) -> list[Head]:
    """The heads of a file; lines that are none (torn by a full disk) are left out."""
    heads = []
    for line in path.read_text(errors="replace").splitlines():
        words = line.split()
        if len(words) == 3 and words[1].isdigit() and len(words[2]) == 64:
            heads.append(Head(int(words[1]), words[2], datetime.fromisoformat(words[0])))
    return heads
