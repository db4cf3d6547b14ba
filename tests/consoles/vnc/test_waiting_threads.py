"""Threads that wait for connections: always some, never many more, and none after the end."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from consoles.vnc.waiting_threads import FEW, MOST, WaitingThreads
from tests.consoles.vnc.conftest import wait_for

Work = Callable[[], None]


class Door:
    """Where threads wait: what comes is put in; None is a connection that cannot be had."""

    def __init__(self) -> None:
        self.comes: queue.SimpleQueue[Work | None] = queue.SimpleQueue()

    def take(self) -> Work:
        work = self.comes.get()
        if work is None:
            raise OSError("no descriptor is left")
        return work


def alive(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


@pytest.fixture
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    door = Door()
    threads = WaitingThreads(door.take, request.node.name)
    threads.start()
    yield door
    threads.stop()
    for _ in range(alive(request.node.name)):
        door.comes.put(None)
    assert wait_for(lambda: alive(request.node.name) == 0)
    assert alive(f"{request.node.name}-keeper") == 0


def test_however_many_come_at_once_each_is_served(door: Door, request: pytest.FixtureRequest) -> None:
    together = threading.Barrier(40)  # passed only when all of them are there
    done: queue.SimpleQueue[int] = queue.SimpleQueue()

    def serve() -> None:
        done.put(together.wait(timeout=10))

    for _ in range(40):
        door.comes.put(serve)
    assert sorted(done.get(timeout=10) for _ in range(40)) == list(range(40))
    assert wait_for(lambda: FEW < alive(request.node.name) <= MOST + 1)


def test_one_that_cannot_be_taken_ends_no_thread(door: Door) -> None:
    for _ in range(2 * MOST):
        door.comes.put(None)
    served = threading.Event()
    door.comes.put(served.set)
    assert served.wait(timeout=10)


def test_those_who_come_one_after_the_other_need_no_new_thread(door: Door, request: pytest.FixtureRequest) -> None:
    assert wait_for(lambda: alive(request.node.name) == MOST)
    names: queue.SimpleQueue[int] = queue.SimpleQueue()
    for _ in range(30):
        door.comes.put(lambda: names.put(threading.get_ident()))
        names.get(timeout=10)
    assert alive(request.node.name) == MOST
