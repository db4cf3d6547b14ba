"""Events on libvirt's test driver, delivered by the event thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from guests.hypervisor.connection import Connection
from guests.hypervisor.events import subscribe
from guests.hypervisor.writing import force_off, pause, resume, start
from guests.resources import EventKind, GuestEvent
from tests.guests.hypervisor.conftest import RUNNING, SHUT_OFF


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "not within 5 s"
        time.sleep(0.005)


def test_tells_each_change_of_state_in_order_from_the_event_thread(host: Connection) -> None:
    events: list[GuestEvent] = []
    threads: set[str] = set()

    def note(event: GuestEvent) -> None:
        events.append(event)
        threads.add(threading.current_thread().name)

    end = subscribe(host, note)
    pause(host, RUNNING)
    resume(host, RUNNING)
    force_off(host, RUNNING)
    start(host, SHUT_OFF)
    until(lambda: len(events) >= 4)
    end()
    assert [(event.kind, event.uuid, event.detail) for event in events] == [
        (EventKind.LIFECYCLE, RUNNING, "suspended"),
        (EventKind.LIFECYCLE, RUNNING, "resumed"),
        (EventKind.LIFECYCLE, RUNNING, "stopped"),
        (EventKind.LIFECYCLE, SHUT_OFF, "started"),
    ]
    assert events[0].name == "web-1"
    assert threads == {"libvirt-events"}


def test_a_definition_made_or_taken_away_is_told_as_such(host: Connection) -> None:
    events: list[GuestEvent] = []
    end = subscribe(host, events.append)
    domain = host.raw.defineXML(
        "<domain type='test'><name>new</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    )
    domain.undefine()
    until(lambda: len(events) >= 2)
    end()
    assert [(event.kind, event.detail) for event in events] == [
        (EventKind.DEFINITION, "defined"),
        (EventKind.DEFINITION, "undefined"),
    ]


def test_a_subscriber_that_fails_is_logged_and_harms_nobody(host: Connection, caplog: pytest.LogCaptureFixture) -> None:
    events: list[GuestEvent] = []

    def fail(event: GuestEvent) -> None:
        raise RuntimeError("subscriber")

    ends = [subscribe(host, fail), subscribe(host, events.append)]
    pause(host, RUNNING)
    until(lambda: events)
    until(lambda: "a subscriber of guest events failed" in caplog.text)
    for end in ends:
        end()


def test_nothing_is_told_after_the_end_and_ending_twice_is_harmless(host: Connection) -> None:
    ended: list[GuestEvent] = []
    others: list[GuestEvent] = []
    end, end_others = subscribe(host, ended.append), subscribe(host, others.append)
    end()
    end()
    pause(host, RUNNING)
    until(lambda: others)
    end_others()
    assert ended == []


def test_ending_after_the_connection_was_closed_is_harmless(host: Connection) -> None:
    end = subscribe(host, lambda _event: None)
    host.close()
    end()
