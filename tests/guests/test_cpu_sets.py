"""Sets of CPUs as libvirt writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guests.cpu_sets import cpu_set_text, parse_cpu_set


@given(st.frozensets(st.integers(0, 300)))
def test_what_is_written_is_read_again(cpus: frozenset[int]) -> None:
    assert parse_cpu_set(cpu_set_text(cpus)) == cpus


@pytest.mark.parametrize(
    ("text", "cpus"), [("", set()), ("0-3,^2", {0, 1, 3}), (" 7 , 1-2 ", {1, 2, 7}), ("5", {5}), ("0-1,1-2", {0, 1, 2})]
)
def test_reads_what_people_and_libvirt_write(text: str, cpus: set[int]) -> None:
    assert parse_cpu_set(text) == cpus


@pytest.mark.parametrize("text", ["x", "3-1", "-1", "1-", "0-99999999", "1;2", "²"])
def test_refuses_what_is_no_set(text: str) -> None:
    with pytest.raises(ValueError, match="no set"):
        parse_cpu_set(text)
