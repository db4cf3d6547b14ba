"""How a relay ends."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a console is over: the close code and the sentence for the person."""

    close_code: int
    sentence: str
