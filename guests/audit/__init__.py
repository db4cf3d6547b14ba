"""The append-only record. `record(…)` is its only writer; what cannot be recorded must not happen."""

from guests.audit.recording import RecordedDenial, record

__all__ = ["RecordedDenial", "record"]
