"""People are told by a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from consoles.vnc.telling import Telling

SECONDS = 5


@pytest.fixture
def lock() -> threading.RLock:
    return threading.RLock()


@pytest.fixture
def telling(lock: threading.RLock) -> Iterator[Telling]:
    telling = Telling(lock, "test-people")
    yield telling
    telling.close()


def test_nothing_is_told_while_the_lock_is_taken(telling: Telling, lock: threading.RLock) -> None:
    told = threading.Event()
    with lock:
        telling.soon(told.set)
        assert not told.wait(0.2)
    assert told.wait(SECONDS)


def test_what_is_asked_for_while_others_are_told_is_told_too(telling: Telling) -> None:
    told = threading.Event()
    telling.soon(lambda: telling.soon(told.set))
    assert told.wait(SECONDS)


def test_a_call_that_fails_keeps_nobody_from_being_told(telling: Telling, caplog: pytest.LogCaptureFixture) -> None:
    told = threading.Event()

    def fail() -> None:
        raise ValueError("a page that is gone")

    telling.soon(fail)
    telling.soon(told.set)
    assert told.wait(SECONDS)
    assert "who is here could not be told" in caplog.text


def test_nothing_is_told_after_the_end(telling: Telling) -> None:
    told = threading.Event()
    telling.close()
    telling.soon(told.set)
    assert not told.wait(0.2)
