"""The hash chain of the record: each link holds SHA-256 of the link before it and of its own line.

The database makes the links itself, by trigger (migration `audit_chain`), so that no line gets in without one: on
SQLite at the insert, where writers are alone anyway; on PostgreSQL when the transaction commits, under an advisory lock
that is then the last lock anybody takes, so it is held for a moment and cannot close a circle. What a line says is
hashed here, in one form for both databases; that form must never change.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guests.audit.models import AuditRecord

GENESIS = ""  # what the first link follows


def digest_of(line: AuditRecord) -> str:
    """SHA-256 of everything that a line says; its id is the database's, and bound by the link."""
    said = [
        line.at.astimezone(UTC).isoformat(timespec="microseconds"),
        line.action,
        line.outcome,
        line.user_id,
        line.user_name,
        str(line.guest_id) if line.guest_id else None,
        line.guest_name,
        line.host_name,
        line.address,
        _as_read_back(line.detail),
    ]
    return _sha256(json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False))


def link_hash(before: str, digest: str) -> str:
    """The hash of the link of a line that follows the link `before`; the triggers compute the same."""
    return _sha256(before + digest)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _as_read_back(value: Any) -> Any:
    """PostgreSQL gives 1e16 back as 10000000000000000: a whole number is hashed as one."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _as_read_back(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_as_read_back(part) for part in value]
    return value
