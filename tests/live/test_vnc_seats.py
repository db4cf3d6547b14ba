"""People before a real guest's screen: only who has the keyboard types, clicks and pastes; what they held is let go."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable

import websocket

from consoles.console_settings import change_setting
from consoles.models import Mode, Sharing
from guests.inventory.models import Guest
from tests.consoles.conftest import Person, person  # noqa: F401
from tests.consoles.vnc.conftest import Reader, Relay, relay, rfb_server  # noqa: F401
from tests.consoles.vnc.test_rfb_filter import encodings, key, pointer
from tests.consoles.vnc.test_seats import CLIPBOARD, Page
from tests.labs.lab import Lab
from tests.live.test_vnc_relay import SHIFT, guest, picture, serial_of, type_slowly  # noqa: F401

MakePerson = Callable[..., Person]
TEXT, PROVIDE, NOTIFY, REQUEST, CAPS = 1, 1 << 28, 1 << 27, 1 << 25, 1 << 24


def extended(flags: int, payload: bytes = b"") -> bytes:
    """A message of the extended clipboard."""
    body = struct.pack("!I", flags) + payload
    return struct.pack("!Bxxxi", 6, -len(body)) + body


def clipboard_of(page: Page, seconds: float = 3.0) -> list[tuple[int, bytes]]:
    """What the guest's server says of the clipboard within some seconds: flags and payload."""
    found, deadline = b"", time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        page.browser.settimeout(left)
        try:
            opcode, data = page.browser.recv_data()
        except websocket.WebSocketTimeoutException:
            break
        found += data if opcode == websocket.ABNF.OPCODE_BINARY else b""
    page.browser.settimeout(10)
    messages = []
    while found[:1] == b"\3":
        size = -struct.unpack("!i", found[4:8])[0]
        messages.append((struct.unpack("!I", found[8:12])[0], found[12 : 8 + size]))
        found = found[8 + size :]
    return messages


def test_the_keyboard_is_handed_over_and_nothing_stays_held(
    relay: Relay,  # noqa: F811
    guest: Guest,  # noqa: F811
    person: MakePerson,  # noqa: F811
    lab: Lab,
) -> None:
    lab.wait_until_booted("web-1")
    ana, rui = person("ana"), person("rui")
    change_setting(guest, keyboard=Sharing.ONE, record=False, by=ana.user)
    first, second = Page(relay, ana, guest), Page(relay, rui, guest)
    with serial_of(lab, "web-1") as serial:
        type_slowly(second.browser, "echo stolen >/dev/ttyS0\n")
        second.type(pointer(1) + pointer(0))
        type_slowly(first.browser, "echo mine-$((6*7)) >/dev/ttyS0\n")
        assert serial.has(b"mine-42", 20), serial.text[-500:]
        # Shift is down when the keyboard goes to the other: without its release every letter would be a capital.
        first.type(key(SHIFT))
        time.sleep(0.1)
        first.ask(keyboard="give", to=second.told["you"])
        second.wait(lambda: ("rui", "control", True) in second.people)
        type_slowly(first.browser, "echo stolen >/dev/ttyS0\n")
        type_slowly(second.browser, "echo theirs-$((6*7)) >/dev/ttyS0\n")
        assert serial.has(b"theirs-42", 20), serial.text[-500:]
        assert b"stolen" not in serial.text


def test_a_watcher_s_picture_runs_and_the_clipboard_passes_them_by(
    relay: Relay,  # noqa: F811
    guest: Guest,  # noqa: F811
    person: MakePerson,  # noqa: F811
    lab: Lab,
) -> None:
    lab.wait_until_booted("web-1")
    pages = [Page(relay, person("ana"), guest), Page(relay, person("eva"), guest)]
    watcher = Page(relay, person("joana", role="watcher"), guest, Mode.WATCH)
    for page in (*pages, watcher):
        page.type(encodings(0, CLIPBOARD))
    controller, other = pages
    text = zlib.compress(struct.pack("!I", 7) + b"copied\0")
    # QEMU tells every client that knows the extended clipboard what it can; nothing tells the watcher.
    assert [flags & CAPS for flags, _ in clipboard_of(other)] == [CAPS]
    watcher.type(extended(NOTIFY | TEXT) + extended(PROVIDE | TEXT, text))
    assert clipboard_of(other, 1.0) == []
    controller.type(extended(NOTIFY | TEXT))
    assert [flags & (NOTIFY | TEXT) for flags, _ in clipboard_of(other)] == [NOTIFY | TEXT]
    watcher.type(extended(REQUEST | TEXT))
    assert clipboard_of(watcher, 1.0) == []
    assert picture(watcher.browser, Reader(watcher.browser))
    watcher.browser.close()
