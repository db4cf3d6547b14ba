"""Amounts of memory as people type them, and back: what a field shows reads back as the same KiB."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum

from guests.units import KIB_PER_GIB, KIB_PER_MIB, memory_text

UNITS = {"KiB": 1, "MiB": KIB_PER_MIB, "GiB": KIB_PER_GIB, "TiB": 1024 * KIB_PER_GIB}
_WORDS = {word: unit for unit in UNITS for word in (unit.lower(), unit[0].lower(), f"{unit[0].lower()}i")}
_TYPED = re.compile(r"\s*([+-]?)([0-9]{1,14})(?:[.,]([0-9]{1,9}))?\s*([a-z]{1,3})?\s*", re.IGNORECASE)


class Unreadable(Enum):
    """Why what was typed is no amount."""

    TEXT = "text"
    ZERO = "zero"
    NEGATIVE = "negative"
    AMBIGUOUS = "ambiguous"  # 1,024: a thousand and twenty-four here, one and a bit there


class UnreadableAmount(ValueError):
    """What was typed is no amount of memory; `reason` says why."""

    def __init__(self, reason: Unreadable) -> None:
        super().__init__(reason.value)
        self.reason = reason


def parse_amount(text: str, unit: str) -> int:
    """KiB of what was typed: "512 MiB", "1,5", "2g"; a unit that was typed wins over the chosen one.

    MiB and KiB are exact. A fraction of a GiB is taken to the nearest MiB, a fraction of a MiB to the nearest KiB.
    Raises UnreadableAmount.
    """
    match = _TYPED.fullmatch(text)
    if match is None:
        raise UnreadableAmount(Unreadable.TEXT)
    sign, whole, fraction, word = match.groups()
    found = _WORDS.get(word.lower()) if word else unit
    if found not in UNITS:
        raise UnreadableAmount(Unreadable.TEXT)
    if fraction is not None and len(fraction) == 3 and int(whole):
        raise UnreadableAmount(Unreadable.AMBIGUOUS)
    number = Decimal(f"{whole}.{fraction or 0}")
    if not number:
        raise UnreadableAmount(Unreadable.ZERO)
    if sign == "-":
        raise UnreadableAmount(Unreadable.NEGATIVE)
    step = UNITS[found] if fraction is None else max(1, UNITS[found] // 1024)
    kib = int((number * UNITS[found] / step).quantize(Decimal(1), ROUND_HALF_UP)) * step
    if not kib:
        raise UnreadableAmount(Unreadable.ZERO)
    return kib


def exact_amount(kib: int) -> tuple[str, str]:
    """The shortest number and unit that stand for exactly so many KiB: ("2.25", "GiB"), ("192", "MiB")."""
    if kib >= KIB_PER_GIB and kib * 100 % KIB_PER_GIB == 0:
        number = f"{Decimal(kib) / KIB_PER_GIB:.2f}"
        return number.removesuffix("0"), "GiB"
    if kib % KIB_PER_MIB == 0:
        return str(kib // KIB_PER_MIB), "MiB"
    return str(kib), "KiB"


def exact_text(kib: int) -> str:
    """`exact_amount` as one text: "2.25 GiB"."""
    return " ".join(exact_amount(kib))


def about_text(kib: int) -> str:
    """For what is told, not typed: exact where it is whole MiB, else rounded (a moving balloon, pages)."""
    return exact_text(kib) if kib % KIB_PER_MIB == 0 else memory_text(kib)
