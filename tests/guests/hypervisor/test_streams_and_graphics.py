"""Consoles of the test driver: text is absent with a sentence, VNC is dialled on loopback as the live XML says."""

from __future__ import annotations

import socket
import threading

import pytest

from guests.errors import GuestNotFound, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.graphics import _dial, _loopback_address, _remote_address, open_graphics
from guests.hypervisor.streams import open_text_stream
from guests.hypervisor.writing import force_off, start
from guests.resources import Graphics
from tests.guests.hypervisor.conftest import HOSTILE, RUNNING, SHUT_OFF


def test_the_test_driver_has_no_text_consoles(host: Connection) -> None:
    with pytest.raises(NotSupported, match="has no text consoles"):
        open_text_stream(host, RUNNING, "serial0", on_data=lambda _data: None, on_end=lambda _end: None)


def test_a_guest_that_is_shut_off_has_neither_text_nor_screen(host: Connection) -> None:
    with pytest.raises(OperationRefused, match="backup-1 does not run"):
        open_text_stream(host, SHUT_OFF, "serial0", on_data=lambda _data: None, on_end=lambda _end: None)
    with pytest.raises(OperationRefused, match="backup-1 does not run"):
        open_graphics(host, SHUT_OFF)


def test_dials_the_port_of_the_live_definition(host: Connection, vnc_port: int) -> None:
    with socket.create_server(("127.0.0.1", vnc_port)) as server:

        def greet() -> None:
            accepted, _ = server.accept()
            with accepted:
                accepted.sendall(b"RFB 003.008\n")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        with open_graphics(host, RUNNING) as connected:
            connected.settimeout(5)
            assert connected.recv(12) == b"RFB 003.008\n"
        thread.join(5)


def test_a_server_that_does_not_answer_is_named(host: Connection) -> None:
    with pytest.raises(OperationRefused, match="VNC server of web-1 does not answer"):
        open_graphics(host, RUNNING)


def test_a_guest_that_was_stopped_is_not_dialled(host: Connection, vnc_port: int) -> None:
    force_off(host, RUNNING)
    with socket.create_server(("127.0.0.1", vnc_port)) as server:
        with pytest.raises(OperationRefused, match="does not run"):
            open_graphics(host, RUNNING)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_guest_that_was_started_anew_meanwhile_is_not_the_one_that_was_asked_for(
    host: Connection, vnc_port: int
) -> None:
    with socket.create_server(("127.0.0.1", vnc_port)) as server:

        def greet() -> None:
            accepted, _ = server.accept()
            with accepted:
                force_off(host, RUNNING)
                start(host, RUNNING)
                accepted.sendall(b"RFB 003.008\n")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        with pytest.raises(OperationRefused, match="restarted just now"):
            open_graphics(host, RUNNING)
        thread.join(5)


def test_who_closes_without_a_word_is_no_vnc_server(host: Connection, vnc_port: int) -> None:
    with socket.create_server(("127.0.0.1", vnc_port)) as server:
        thread = threading.Thread(target=lambda: server.accept()[0].close(), daemon=True)
        thread.start()
        with pytest.raises(OperationRefused, match="does not answer"):
            open_graphics(host, RUNNING)
        thread.join(5)


class Inside:
    """What SSHWay is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def to_port(self, *where: object) -> socket.socket:
        self.asked.append(where)
        return socket.socket(socket.AF_UNIX)

    to_socket = to_port


@pytest.mark.parametrize(
    ("graphics", "asked"),
    [
        (Graphics("vnc", "address", "127.0.0.1", 5900), ("127.0.0.1", 5900)),
        (Graphics("vnc", "address", None, 5900), ("127.0.0.1", 5900)),
        (Graphics("vnc", "address", "0.0.0.0", 5900), ("127.0.0.1", 5900)),
        (Graphics("vnc", "address", "::", 5900), ("::1", 5900)),
        (Graphics("vnc", "address", "192.0.2.7", 5900), ("192.0.2.7", 5900)),
        (Graphics("vnc", "socket", None, None, None, "/run/web-1.sock"), ("/run/web-1.sock",)),
    ],
)
def test_a_host_that_is_reached_by_ssh_is_entered_by_ssh(
    host: Connection, graphics: Graphics, asked: tuple[object, ...]
) -> None:
    inside = Inside()
    _dial(host, "web-1", graphics, inside).close()  # type: ignore[arg-type]
    assert inside.asked == [asked]


@pytest.mark.parametrize(
    ("graphics", "words"),
    [
        (Graphics("vnc", "none"), "let it listen on 127.0.0.1"),
        (Graphics("vnc", "address", "example.org", 5900), "listens on a name"),
    ],
)
def test_what_ssh_cannot_reach_is_told_with_what_to_change(host: Connection, graphics: Graphics, words: str) -> None:
    inside = Inside()
    with pytest.raises(NotSupported, match=words):
        _dial(host, "web-1", graphics, inside)  # type: ignore[arg-type]
    assert inside.asked == []


def test_a_guest_without_graphics_is_told_what_to_add(host: Connection) -> None:
    with pytest.raises(NotSupported, match="no graphics device"):
        open_graphics(host, HOSTILE)
    with pytest.raises(NotSupported, match="no graphics device"):
        open_graphics(host, RUNNING, 1)
    with pytest.raises(GuestNotFound):
        open_graphics(host, type(RUNNING)(int=1))


def vnc(address: str | None) -> Graphics:
    return Graphics("vnc", "address", address, 5900)


@pytest.mark.parametrize(
    ("address", "dialled"),
    [
        (None, "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
        ("localhost", "127.0.0.1"),
    ],
)
def test_a_guest_of_this_machine_is_dialled_on_loopback(address: str | None, dialled: str) -> None:
    assert _loopback_address(vnc(address), "web-1")[1] == dialled


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "example.org", "127.0.0.1.example.org"])
def test_nothing_but_loopback_is_dialled_for_a_guest_of_this_machine(address: str) -> None:
    with pytest.raises(NotSupported, match="loopback"):
        _loopback_address(vnc(address), "web-1")


@pytest.mark.parametrize("address", ["192.0.2.7", "0.0.0.0", "::"])
def test_a_remote_guest_is_dialled_on_the_address_of_its_host(address: str) -> None:
    assert _remote_address("192.0.2.7", vnc(address), "web-1")[1] == "192.0.2.7"


@pytest.mark.parametrize(
    "address", [None, "127.0.0.1", "::1", "192.0.2.8", "169.254.169.254", "example.org", "localhost"]
)
def test_nothing_but_the_host_is_dialled_for_a_remote_guest(address: str | None) -> None:
    with pytest.raises(NotSupported, match="listen on the host's own"):
        _remote_address("192.0.2.7", vnc(address), "web-1")
