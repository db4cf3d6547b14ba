"""What other threads want of a relay: the keyboard handed on, words to the page and from it, a tap."""

from __future__ import annotations

import select
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
import websocket
from django.contrib.auth.models import User

from consoles.models import Mode
from consoles.vnc.visit import Visit
from guests.inventory.models import Guest
from tests.consoles.conftest import Person
from tests.consoles.vnc.conftest import Relay, close_of, handshake, wait_for
from tests.consoles.vnc.rfb_server import SERVER_INIT, TINY_UPDATE, RFBServer
from tests.consoles.vnc.test_rfb_filter import UPDATE, encodings, key

MakePerson = Callable[..., Person]


def visit_of(relay: Relay, guest: Guest) -> Visit:
    assert relay.server._server is not None
    (visit,) = relay.server._server.visits.at(guest.pk)
    return visit


def test_the_keyboard_is_taken_and_given_back_in_place(
    relay: Relay, guest: Guest, person: MakePerson, rfb_server: RFBServer
) -> None:
    browser = relay.connect(person(), guest)
    handshake(browser)
    visit = visit_of(relay, guest)
    said = encodings(0, -258) + key(0x41)
    browser.send_binary(said)
    assert rfb_server.heard(said)
    visit.give_keyboard(False)
    said += key(0x41, down=False) + encodings(0)
    assert rfb_server.heard(said)
    browser.send_binary(key(0x42) + UPDATE)
    said += UPDATE
    assert rfb_server.heard(said)
    visit.give_keyboard(True)
    said += encodings(0, -258)
    assert rfb_server.heard(said)
    browser.send_binary(key(0x43))
    assert rfb_server.heard(said + key(0x43))


def test_nobody_is_woken_by_a_keyboard_that_stays_where_it_is() -> None:
    with closing(Visit(User(), Guest(), Mode.CONTROL)) as visit:
        for given, rings in ((True, False), (False, True), (False, False), (True, True)):
            visit.give_keyboard(given)
            assert bool(select.select([visit], [], [], 0)[0]) == rings
            visit.answered()


def test_who_lost_the_right_is_given_no_keyboard(
    relay: Relay, guest: Guest, person: MakePerson, rfb_server: RFBServer
) -> None:
    browser = relay.connect(person(), guest)
    handshake(browser)
    visit = visit_of(relay, guest)
    visit.allow_power(True)
    visit.become_watcher()
    visit.give_keyboard(True)
    browser.send_binary(key(0x42) + b"\xfa\0\1\2" + UPDATE)
    assert rfb_server.heard(UPDATE)


def test_what_is_held_down_is_released_when_the_page_goes(
    relay: Relay, guest: Guest, person: MakePerson, rfb_server: RFBServer
) -> None:
    browser = relay.connect(person(), guest)
    handshake(browser)
    browser.send_binary(key(0x41))
    browser.shutdown()
    assert rfb_server.heard(key(0x41) + key(0x41, down=False))


def test_words_go_to_the_page_and_come_from_it(relay: Relay, guest: Guest, person: MakePerson) -> None:
    browser = relay.connect(person(), guest)
    reader = handshake(browser)
    visit, heard = visit_of(relay, guest), []
    visit.heard = heard.append
    visit.tell("greeting", "você".encode())
    assert browser.recv_data() == (websocket.ABNF.OPCODE_TEXT, "você".encode())
    browser.send("ask")
    browser.send_binary(UPDATE)
    assert reader.exactly(len(TINY_UPDATE)) == TINY_UPDATE
    assert heard == [b"ask"]


def test_too_many_words_end_the_console(relay: Relay, guest: Guest, person: MakePerson) -> None:
    browser = relay.connect(person(), guest)
    handshake(browser)
    browser.send("x" * 5000)
    assert close_of(browser)[0] == 1002


def test_a_tap_hears_both_sides_from_the_beginning(
    relay: Relay, guest: Guest, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Recorder:
        shown_bytes, asked_bytes = b"", b""

        def shown(self, data: bytes) -> None:
            self.shown_bytes += data

        def asked(self, data: bytes) -> None:
            self.asked_bytes += data

    recorder, make = Recorder(), Visit.__init__

    def with_tap(visit: Visit, *arguments: Any, **named: Any) -> None:
        make(visit, *arguments, **named)
        visit.taps = (recorder,)

    monkeypatch.setattr(Visit, "__init__", with_tap)
    browser = relay.connect(person(), guest)
    reader = handshake(browser)
    browser.send_binary(encodings(0, -316) + UPDATE)
    reader.exactly(len(TINY_UPDATE))
    assert recorder.shown_bytes == SERVER_INIT + TINY_UPDATE
    assert recorder.asked_bytes == encodings(0) + UPDATE


def test_who_left_is_not_there_any_more(relay: Relay, guest: Guest, person: MakePerson) -> None:
    browser = relay.connect(person(), guest)
    handshake(browser)
    visits = relay.server._server.visits if relay.server._server else None
    assert visits is not None
    assert [visit.user.get_username() for visit in visits.at(guest.pk)] == ["ana"]
    browser.close()
    assert wait_for(lambda: visits.at(guest.pk) == [])
