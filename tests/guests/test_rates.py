from __future__ import annotations

import pytest

from guests import rates
from guests.rates import Rate, neighbourhood


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(rates.time, "monotonic", lambda: now[0])
    return now


def test_so_many_at_once_then_evenly(clock: list[float]) -> None:
    rate = Rate(lambda: 6)
    assert [rate.take("anna") for _ in range(6)] == [0.0] * 6
    assert rate.take("anna") == pytest.approx(10)
    assert rate.take("bert") == 0.0
    clock[0] += 9
    assert rate.take("anna") == pytest.approx(1)
    clock[0] += 1
    assert rate.wait("anna") == 0.0
    assert rate.take("anna") == 0.0
    assert rate.wait("anna") == pytest.approx(10)


def test_to_ask_while_it_is_empty_makes_nobody_wait_longer(clock: list[float]) -> None:
    rate = Rate(lambda: 1)
    rate.take("anna")
    for _ in range(50):
        rate.take("anna")
    clock[0] += 60
    assert rate.take("anna") == 0.0


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "KEYS", 100)
    rate = Rate(lambda: 1)
    for number in range(1000):
        rate.take(number)
    assert len(rate._left) == 100
    assert rate.take(999) > 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("", "", True),
    ],
)
def test_of_ipv6_a_network_counts_as_one(one: str, other: str, same: bool) -> None:
    assert (neighbourhood(one) == neighbourhood(other)) is same
