"""Opening and closing: addresses, deadlines, and what becomes of an opening nobody waits for any more."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from guests.errors import HypervisorUnreachable, OperationRefused
from guests.hypervisor.connection import OPENINGS_PER_URI, Connection, dialled, open_connection
from guests.hypervisor.event_loop import start_event_loop


def test_the_event_loop_is_started_once(host: Connection) -> None:
    start_event_loop()
    start_event_loop()
    assert [thread.name for thread in threading.enumerate()].count("libvirt-events") == 1


def test_an_open_connection_is_alive_until_it_is_closed(host: Connection) -> None:
    reasons: list[str] = []
    host.on_close(reasons.append)
    assert host.is_alive()
    host.close()
    host.close()
    assert not host.is_alive()
    assert reasons == []


@pytest.mark.parametrize(
    "uri", ["", "nonsense", "nosuchdriver:///system", "test:///no/such/file.xml", "qemu+carrier-pigeon:///system"]
)
def test_an_address_that_libvirt_cannot_use_is_refused_with_a_sentence(uri: str) -> None:
    with pytest.raises((OperationRefused, HypervisorUnreachable)) as error:
        open_connection(uri, deadline_s=5)
    assert str(error.value).endswith(".")
    assert "libvirt: " not in str(error.value)
    assert error.value.detail or not uri


def test_a_host_where_nobody_listens_is_unreachable(unused_tcp_port: int, tmp_path: Path) -> None:
    for uri in (
        f"qemu+tcp://127.0.0.1:{unused_tcp_port}/system",
        f"qemu+unix:///system?socket={tmp_path}/no-socket",
    ):
        with pytest.raises(HypervisorUnreachable, match="does not answer") as error:
            open_connection(uri, deadline_s=5)
        assert error.value.detail


def test_a_host_that_accepts_and_never_speaks_is_left_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"qemu+tcp://127.0.0.1:{server.getsockname()[1]}/system"
        began = time.monotonic()
        for _ in range(OPENINGS_PER_URI + 3):
            with pytest.raises(HypervisorUnreachable):
                open_connection(uri, deadline_s=0.2)
        assert time.monotonic() - began < 0.3 * (OPENINGS_PER_URI + 3) + 1
        waiting = [thread for thread in threading.enumerate() if thread.name == "libvirt-open"]
        assert 0 < len(waiting) <= OPENINGS_PER_URI
        assert all(thread.daemon for thread in waiting)
        server.settimeout(1)
        for _ in range(OPENINGS_PER_URI):
            server.accept()[0].close()
    deadline = time.monotonic() + 10
    while any(thread.name == "libvirt-open" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "threads of openings that failed are still there"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("uri", "is_test", "is_local", "name"),
    [
        ("test:///default", True, True, ""),
        ("test+tcp://lab/default", True, False, "lab"),
        ("qemu:///system", False, True, ""),
        ("qemu+unix:///session?socket=/run/x", False, True, ""),
        ("qemu+ssh://root@kvm1.example:2222/system", False, False, "kvm1.example"),
        ("xen+tcp://10.0.0.1/system", False, False, "10.0.0.1"),
        ("qemu+tcp://[fd00::1]:16509/system", False, False, "fd00::1"),
        ("qemu://kvm1/system", False, False, "kvm1"),
    ],
)
def test_tells_from_the_address_where_the_host_is(uri: str, is_test: bool, is_local: bool, name: str) -> None:
    connection = Connection(uri, None)
    assert (connection.is_test, connection.is_local, connection.host) == (is_test, is_local, name)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("qemu:///system", "qemu:///system"),
        ("qemu+tcp://a/system?x=1", "qemu+tcp://a/system?x=1"),
        ("qemu+ssh://root@a/system", "qemu+ssh://root@a/system?no_tty=1"),
        ("xen+ssh://a/system?keyfile=/k/id", "xen+ssh://a/system?keyfile=/k/id&no_tty=1"),
        ("qemu+ssh://a/system?no_tty=0", "qemu+ssh://a/system?no_tty=0"),
    ],
)
def test_ssh_never_asks_on_the_terminal(uri: str, expected: str) -> None:
    assert dialled(uri) == expected
