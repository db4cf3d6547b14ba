"""The ids of errors: in the answer and in the log."""

from __future__ import annotations

import secrets


def new_error_id() -> str:
    """Short enough to be read out."""
    return secrets.token_hex(6)
