"""Connections to a libvirtd that is stopped, hung or killed: bounded in time, and told."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from guests.errors import HypervisorUnreachable
from guests.hypervisor.connection import OPENINGS_PER_URI, open_connection
from guests.hypervisor.reading import list_guests
from guests.hypervisor.writing import start
from tests.labs.lab import Lab
from tests.live.hypervisor_guest import BANNER, Terminal, own_guest, until

pytestmark = [pytest.mark.live]


@pytest.fixture
def hung_libvirtd(lab: Lab) -> Iterator[None]:
    lab.stop_libvirtd(signal.SIGSTOP)
    yield
    lab.start_libvirtd()
    until(lambda: answers(lab.uri), 30, "libvirtd goes on")


def answers(uri: str) -> bool:
    try:
        connection = open_connection(uri, deadline_s=5)
    except HypervisorUnreachable:
        return False
    connection.close()
    return True


def test_an_open_towards_a_hung_libvirtd_ends_at_its_deadline_and_is_bounded(lab: Lab, hung_libvirtd: None) -> None:
    began = time.monotonic()
    with pytest.raises(HypervisorUnreachable, match="does not answer"):
        open_connection(lab.uri, deadline_s=1.0)
    assert 0.9 < time.monotonic() - began < 2.0
    for _ in range(OPENINGS_PER_URI + 2):
        with pytest.raises(HypervisorUnreachable):
            open_connection(lab.uri, deadline_s=0.1)
    left_behind = [thread for thread in threading.enumerate() if thread.name == "libvirt-open"]
    assert 0 < len(left_behind) <= OPENINGS_PER_URI
    assert all(thread.daemon for thread in left_behind)


def test_keepalive_ends_a_call_that_a_hung_libvirtd_does_not_answer(lab: Lab) -> None:
    reasons: list[str] = []
    connection = open_connection(lab.uri, keepalive=(1, 2), on_close=reasons.append)
    lab.stop_libvirtd(signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(HypervisorUnreachable, match="does not answer"):
            list_guests(connection)
        assert time.monotonic() - began < 6
        until(lambda: reasons, 3, "the close callback")
        assert reasons == ["keepalive"]
        assert not connection.is_alive()
        began = time.monotonic()
        connection.close()
        assert time.monotonic() - began < 3
    finally:
        lab.start_libvirtd()
    until(lambda: answers(lab.uri), 30, "libvirtd goes on")


def test_a_killed_libvirtd_is_told_at_once_and_ends_text_consoles_as_lost(lab: Lab) -> None:
    reasons: list[str] = []
    connection = open_connection(lab.uri, on_close=reasons.append)
    with own_guest(connection, "hypervisor-4") as uuid:
        start(connection, uuid)
        terminal = Terminal(connection, uuid)
        terminal.expect(BANNER, 60)
        lab.stop_libvirtd(signal.SIGKILL)
        try:
            until(lambda: reasons, 2, "the close callback")
            assert reasons == ["eof"]
            until(lambda: terminal.ends, 2, "the end of the text console")
            assert terminal.ends == ["lost"]
            assert not connection.is_alive()
            with pytest.raises(HypervisorUnreachable):
                list_guests(connection)
            with pytest.raises(HypervisorUnreachable):
                open_connection(lab.uri, deadline_s=3)
        finally:
            lab.start_libvirtd()
        until(lambda: answers(lab.uri), 30, "libvirtd is back")
        connection.close()
        again = open_connection(lab.uri)
        try:
            second = Terminal(again, uuid)
            assert second.answer_to("echo $((6*7))", 30) == "42"
            second.stream.close()
        finally:
            again.raw.lookupByUUIDString(str(uuid)).destroy()
            again.raw.lookupByUUIDString(str(uuid)).undefine()
            again.close()
