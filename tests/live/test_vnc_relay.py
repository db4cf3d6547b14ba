"""The relay against real QEMU guests: the picture, the keys, and when it must end."""

from __future__ import annotations

import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
import websocket

from consoles.models import ConsoleSession, Mode
from guests.audit.models import AuditRecord
from guests.hypervisor.connection import open_connection
from guests.hypervisor.streams import open_text_stream
from guests.inventory.models import Guest, Host
from tests.consoles.conftest import Person, person  # noqa: F401
from tests.consoles.vnc.conftest import Reader, Relay, close_of, handshake, relay, rfb_server, wait_for  # noqa: F401
from tests.consoles.vnc.test_rfb_filter import encodings, key, pointer
from tests.labs.lab import Lab

MakePerson = Callable[..., Person]

RETURN, SHIFT = 0xFF0D, 0xFFE1
SHIFTED = '~!@#$%^&*()_+{}|:"<>?ABCDEFGHIJKLMNOPQRSTUVWXYZ'
WATCHER = "echo watcher-$((6*7)) >/dev/ttyS0\n"
CONTROLLER = "echo controller-$((6*7)) >/dev/ttyS0\n"


@pytest.fixture
def guest(transactional_db: None, lab: Lab) -> Guest:
    host = Host.objects.create(name="lab", uri=lab.uri)
    identity = UUID(lab.uuid("web-1"))
    return Guest.objects.create(
        id=identity,
        uuid=identity,
        host=host,
        name="web-1",
        state="running",
        definition={"graphics": [{"kind": "vnc", "listen": "none"}]},
    )


def picture(browser: websocket.WebSocket, reader: Reader) -> bytes:
    """The whole screen, uncompressed, as 32-bit pixels."""
    browser.send_binary(encodings(0) + struct.pack("!BBHHHH", 3, 0, 0, 0, 4096, 4096))
    reader.exactly(1)
    _padding, rectangles = struct.unpack("!BH", reader.exactly(3))
    pixels = b""
    for _ in range(rectangles):
        _x, _y, width, height, encoding = struct.unpack("!HHHHi", reader.exactly(12))
        if encoding == 0:
            pixels += reader.exactly(width * height * 4)
    return pixels


def type_slowly(browser: websocket.WebSocket, text: str) -> None:
    """Key by key, with Shift where an American keyboard needs it.

    The emulated PS/2 keyboard holds 16 scan codes and drops what comes while it is full.
    """
    for character in text:
        symbol = RETURN if character == "\n" else ord(character)
        pressed = [SHIFT, symbol] if character in SHIFTED else [symbol]
        browser.send_binary(b"".join(key(one) for one in pressed))
        browser.send_binary(b"".join(key(one, down=False) for one in reversed(pressed)))
        time.sleep(0.04)


class Serial:
    """What the guest writes to its serial port."""

    def __init__(self) -> None:
        self.text = b""
        self.changed = threading.Condition()

    def add(self, data: bytes) -> None:
        with self.changed:
            self.text += data
            self.changed.notify_all()

    def has(self, words: bytes, seconds: float) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: words in self.text, seconds)


@contextmanager
def serial_of(lab: Lab, name: str) -> Iterator[Serial]:
    connection, serial = open_connection(lab.uri), Serial()
    stream = open_text_stream(
        connection, UUID(lab.uuid(name)), None, force=True, on_data=serial.add, on_end=lambda why: None
    )
    try:
        yield serial
    finally:
        stream.close()
        connection.close()


def test_the_picture_arrives(relay: Relay, guest: Guest, person: MakePerson, lab: Lab) -> None:  # noqa: F811
    lab.wait_until_booted("web-1")
    browser = relay.connect(person(), guest)
    pixels = picture(browser, handshake(browser))
    assert len(pixels) >= 640 * 400 * 4
    assert len(set(struct.iter_unpack("!I", pixels))) > 1, "one colour only: no text on the screen"


def test_a_controller_types_and_a_watcher_does_not(
    relay: Relay,  # noqa: F811
    guest: Guest,
    person: MakePerson,  # noqa: F811
    lab: Lab,
) -> None:
    lab.wait_until_booted("web-1")
    ana, rui = person("ana"), person("rui", role="watcher")
    watcher = relay.connect(rui, guest, mode=Mode.WATCH)
    seen = handshake(watcher)
    controller = relay.connect(ana, guest)
    handshake(controller)
    with serial_of(lab, "web-1") as serial:
        type_slowly(watcher, WATCHER)
        watcher.send_binary(pointer(1) + pointer(0))
        assert picture(watcher, seen)
        # The same keyboard, one after the other: what the watcher typed would come first.
        type_slowly(controller, CONTROLLER)
        assert serial.has(b"controller-42", 20), serial.text[-500:]
        assert b"watcher" not in serial.text
    assert picture(watcher, seen)
    watcher.close()
    assert wait_for(lambda: AuditRecord.objects.filter(action="console.close", user=rui.user).exists())
    dropped = AuditRecord.objects.get(action="console.close", user=rui.user).detail["dropped"]
    keys = sum(4 if character in SHIFTED else 2 for character in WATCHER)
    assert dropped == {"key": keys, "pointer": 2}


def test_a_guest_that_stops_ends_its_consoles(
    relay: Relay,  # noqa: F811
    guest: Guest,
    person: MakePerson,  # noqa: F811
    lab: Lab,
) -> None:
    browser = relay.connect(person(), guest)
    handshake(browser)
    started = time.monotonic()
    lab.virsh("destroy", lab.uuid("web-1"))
    assert close_of(browser) == (4410, "web-1 was shut off.")
    assert time.monotonic() - started < 5
    assert wait_for(lambda: ConsoleSession.objects.get().reason == "web-1 was shut off.")
    again = relay.connect(person("rui"), guest)
    code, sentence = close_of(again)
    assert code == 4410
    assert "web-1" in sentence


def test_a_console_outlives_libvirtd_and_a_new_one_finds_it_again(
    relay: Relay,  # noqa: F811
    guest: Guest,
    person: MakePerson,  # noqa: F811
    lab: Lab,
) -> None:
    ana = person()
    browser = relay.connect(ana, guest)
    reader = handshake(browser)
    lab.stop_libvirtd(signal.SIGKILL)
    try:
        assert picture(browser, reader)
        code, sentence = close_of(relay.connect(ana, guest))
        assert (code, bool(sentence)) == (4500, True)
    finally:
        lab.start_libvirtd()
    again = relay.connect(ana, guest)
    assert picture(again, handshake(again))
    assert picture(browser, reader)
