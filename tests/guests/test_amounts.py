"""Amounts of memory as people type them: exact in KiB both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guests.forms.amounts import Unreadable, UnreadableAmount, exact_amount, exact_text, parse_amount


@given(st.integers(min_value=1, max_value=2**44))
def test_what_a_field_shows_reads_back_as_the_same_kib(kib: int) -> None:
    number, unit = exact_amount(kib)
    assert parse_amount(number, unit) == kib
    assert parse_amount(exact_text(kib), "GiB") == kib


@pytest.mark.parametrize(
    ("typed", "unit", "kib"),
    [
        ("512", "MiB", 524288),
        ("512 MiB", "GiB", 524288),
        ("512m", "GiB", 524288),
        (" 1.5 ", "GiB", 1572864),
        ("1,5", "GiB", 1572864),
        ("2g", "MiB", 2097152),
        ("1 GiB", "MiB", 1048576),
        ("524289 KiB", "GiB", 524289),
        ("0.3", "GiB", 307 * 1024),  # a fraction of a GiB is taken to the nearest MiB
        ("1.5", "MiB", 1536),
        ("0.125", "GiB", 131072),
        ("+1", "GiB", 1048576),
    ],
)
def test_reads_what_people_type(typed: str, unit: str, kib: int) -> None:
    assert parse_amount(typed, unit) == kib


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", Unreadable.TEXT),
        ("much", Unreadable.TEXT),
        ("1e3", Unreadable.TEXT),
        ("1 GB", Unreadable.TEXT),  # a thousand to libvirt, 1024 to many people
        ("1 2", Unreadable.TEXT),
        ("٣", Unreadable.TEXT),
        ("9" * 40, Unreadable.TEXT),
        ("0", Unreadable.ZERO),
        ("0.0 GiB", Unreadable.ZERO),
        ("-1", Unreadable.NEGATIVE),
        ("1,024", Unreadable.AMBIGUOUS),
        ("1.024", Unreadable.AMBIGUOUS),
    ],
)
def test_says_why_it_cannot_read_something(typed: str, reason: Unreadable) -> None:
    with pytest.raises(UnreadableAmount) as caught:
        parse_amount(typed, "MiB")
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("kib", "text"), [(2097152, "2.0 GiB"), (2359296, "2.25 GiB"), (196608, "192 MiB"), (5, "5 KiB")]
)
def test_shows_the_shortest_exact_amount(kib: int, text: str) -> None:
    assert exact_text(kib) == text
