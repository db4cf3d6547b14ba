"""People before one screen, through the relay: who is here, whose keys arrive, who may take what."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import websocket
from pytest_django import Settings

from consoles.console_settings import change_setting
from consoles.models import Mode, Sharing
from consoles.vnc import pump, seats
from guests.access.models import Grant
from guests.audit.models import AuditRecord
from guests.inventory.changes import Feed, announce
from guests.inventory.models import Guest
from tests.consoles.conftest import Person
from tests.consoles.vnc.conftest import Relay, close_of, handshake, wait_for
from tests.consoles.vnc.rfb_server import RFBServer
from tests.consoles.vnc.test_rfb_filter import UPDATE, encodings, key, pointer

MakePerson = Callable[..., Person]
CLIPBOARD = -1063131698


class Page:
    """One person's page: what it was told, merged."""

    def __init__(self, relay: Relay, person: Person, guest: Guest, mode: Mode = Mode.CONTROL) -> None:
        self.browser = relay.connect(person, guest, mode=mode)
        handshake(self.browser)
        self.told: dict[str, Any] = {}
        self.ask(hello=True)
        self.wait(lambda: "people" in self.told and "hello" in self.told)

    def ask(self, **request: Any) -> None:
        self.browser.send(json.dumps(request))

    def type(self, data: bytes) -> None:
        self.browser.send_binary(data)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Read until it is true; the socket's timeout is the limit."""
        while not condition():
            opcode, data = self.browser.recv_data()
            if opcode == websocket.ABNF.OPCODE_TEXT:
                self.told |= json.loads(data)

    @property
    def people(self) -> list[tuple[str, str, bool]]:
        return [(row["name"], row["mode"], row["holds"]) for row in self.told["people"]]


@pytest.fixture
def ana(person: MakePerson) -> Person:
    return person("ana", "operator")


@pytest.fixture
def eva(person: MakePerson) -> Person:
    return person("eva", "administrator")


@pytest.fixture
def one_holder(guest: Guest, eva: Person) -> None:
    change_setting(guest, keyboard=Sharing.ONE, record=False, by=eva.user)


def actions() -> list[tuple[str, str]]:
    rows = AuditRecord.objects.filter(action__in=["console.take_keyboard", "console.power"])
    return sorted(rows.values_list("action", "outcome"))


def test_everybody_is_told_who_is_here(relay: Relay, guest: Guest, ana: Person, person: MakePerson) -> None:
    first = Page(relay, ana, guest)
    assert (first.told["mode"], first.told["administrator"], first.told["keyboard"]) == ("control", False, "all")
    second = Page(relay, person("rui", "watcher"), guest, Mode.WATCH)
    both = [("ana", "control", False), ("rui", "watch", False)]
    first.wait(lambda: first.people == both)
    second.wait(lambda: second.people == both)
    assert first.told["you"] != second.told["you"]
    second.browser.close()
    first.wait(lambda: first.people == both[:1])


def test_people_of_other_guests_are_not_told(
    relay: Relay, guest: Guest, make_guest: Callable[..., Guest], rfb_server: RFBServer, ana: Person, person: MakePerson
) -> None:
    other = make_guest(f"<graphics type='vnc' port='{rfb_server.port}' autoport='no' listen='127.0.0.1'/>")
    first, second = Page(relay, ana, guest), Page(relay, person("eva", on=other), other)
    assert [name for name, _, _ in first.people + second.people] == ["ana", "eva"]


def test_a_page_that_does_not_greet_is_told_nothing(relay: Relay, guest: Guest, ana: Person, eva: Person) -> None:
    silent = relay.connect(ana, guest)
    reader = handshake(silent)
    page = Page(relay, eva, guest)
    silent.send_binary(UPDATE)
    reader.exactly(20)  # nothing but pictures
    assert page.people == [("ana", "control", False), ("eva", "control", False)]


def test_only_the_holder_types(
    relay: Relay, guest: Guest, ana: Person, eva: Person, one_holder: None, rfb_server: RFBServer
) -> None:
    first, second = Page(relay, ana, guest), Page(relay, eva, guest)
    assert second.people == [("ana", "control", True), ("eva", "control", False)]
    second.type(key(0x62) + pointer(1) + encodings(0, -258, CLIPBOARD))
    said = encodings(0)
    assert rfb_server.heard(said)
    first.type(key(0x61) + pointer(1, 5, 6))
    said += key(0x61) + pointer(1, 5, 6)
    assert rfb_server.heard(said)
    second.ask(keyboard="ask")
    first.wait(lambda: [row["asks"] for row in first.told["people"]] == [False, True])
    first.ask(keyboard="give", to=second.told["you"])
    second.wait(lambda: ("eva", "control", True) in second.people)
    # What the first held is released; the second's page is asked for what it may use now.
    released, anew = key(0x61, down=False) + pointer(0, 5, 6), encodings(0, -258, CLIPBOARD)
    assert wait_for(lambda: bytes(rfb_server.said) in (said + released + anew, said + anew + released))
    said = bytes(rfb_server.said)
    first.type(key(0x63))
    second.type(key(0x62))
    assert rfb_server.heard(said + key(0x62))
    second.browser.close()
    first.wait(lambda: first.people == [("ana", "control", False)])
    first.ask(keyboard="take")
    first.wait(lambda: first.people[0][2])


def test_who_wants_only_to_look_types_nothing_until_they_say_so(
    relay: Relay, guest: Guest, ana: Person, rfb_server: RFBServer
) -> None:
    page = Page(relay, ana, guest)
    page.type(key(0xFFE3) + pointer(4, 7, 8))
    said = key(0xFFE3) + pointer(4, 7, 8)
    assert rfb_server.heard(said)
    page.ask(view_only=True)
    said += key(0xFFE3, down=False) + pointer(0, 7, 8)
    assert rfb_server.heard(said)
    page.wait(lambda: page.people == [("ana", "watch", False)])
    page.type(key(0x61) + pointer(1))
    page.ask(view_only=False)
    page.wait(lambda: page.people == [("ana", "control", False)])
    page.type(key(0x62))
    assert rfb_server.heard(said + key(0x62))


def test_a_watcher_gets_the_keyboard_by_no_word(
    relay: Relay, guest: Guest, person: MakePerson, rfb_server: RFBServer
) -> None:
    page = Page(relay, person("rui", "watcher"), guest, Mode.WATCH)
    for request in (
        {"view_only": True},
        {"view_only": False},
        {"keyboard": "take"},
        {"keyboard": "ask"},
        {"mode": "control"},
    ):
        page.ask(**request)
    page.type(key(0x61) + pointer(1) + b"\xfa\0\1\2" + UPDATE)
    assert rfb_server.heard(UPDATE)
    page.wait(lambda: page.told.get("refused") is not None)


def test_a_right_that_is_lost_is_told_and_frees_the_keyboard(
    relay: Relay, guest: Guest, ana: Person, eva: Person, one_holder: None
) -> None:
    first, second = Page(relay, ana, guest), Page(relay, eva, guest)
    Grant.objects.filter(user=ana.user).update(role="watcher")
    announce(Feed.RIGHTS)
    first.wait(lambda: first.told["mode"] == "watch")
    second.wait(lambda: second.people == [("ana", "watch", False), ("eva", "control", False)])
    second.ask(keyboard="take")
    second.wait(lambda: ("eva", "control", True) in second.people)


def test_only_administrators_take_the_keyboard_and_it_is_recorded(
    relay: Relay, guest: Guest, ana: Person, eva: Person, person: MakePerson, one_holder: None
) -> None:
    first, second, third = Page(relay, ana, guest), Page(relay, eva, guest), Page(relay, person("ivo"), guest)
    for _ in range(20):
        third.ask(keyboard="take")
    third.wait(lambda: third.told.get("refused") == "take")
    second.ask(keyboard="take")
    first.wait(lambda: ("eva", "control", True) in first.people)
    assert actions() == [("console.take_keyboard", "denied"), ("console.take_keyboard", "ok")]


def test_F3_open_taking_and_close_are_recorded_with_bytes_and_duration(
    relay: Relay, guest: Guest, ana: Person, eva: Person, one_holder: None, rfb_server: RFBServer
) -> None:
    first, second = Page(relay, ana, guest), Page(relay, eva, guest)
    greeting, request = len('{"hello": true}'), len('{"keyboard": "take"}')
    first.type(key(0x61))
    assert rfb_server.heard(key(0x61))
    second.ask(keyboard="take")
    first.wait(lambda: ("eva", "control", True) in first.people)
    first.browser.close()
    assert wait_for(lambda: AuditRecord.objects.filter(action="console.close").exists())
    found = AuditRecord.objects.filter(action__startswith="console.").exclude(action="console.setting")
    lines = {(line.action, line.user_name): line.detail for line in found}
    assert {("console.open", "ana"), ("console.open", "eva")} < set(lines)
    taken, closed = lines["console.take_keyboard", "eva"], lines["console.close", "ana"]
    assert (taken["kind"], taken["holder"], taken["bytes_in"]) == ("vnc", "ana", greeting + request)
    assert taken["holder_bytes_in"] == closed["bytes_in"] == greeting + len(key(0x61))
    assert 0 < taken["bytes_out"] <= taken["holder_bytes_out"] <= closed["bytes_out"]
    assert 0 <= taken["seconds"] <= taken["holder_seconds"] <= closed["seconds"] < 60


def test_a_changed_setting_is_told_and_enforced(relay: Relay, guest: Guest, ana: Person, rfb_server: RFBServer) -> None:
    page = Page(relay, ana, guest)
    page.type(key(0x61))
    assert rfb_server.heard(key(0x61))
    change_setting(guest, keyboard=Sharing.ONE, record=False, by=ana.user)
    page.wait(lambda: page.told["keyboard"] == "one")
    page.type(key(0x62) + UPDATE)
    assert rfb_server.heard(key(0x61) + key(0x61, down=False) + UPDATE)


def test_power_messages_pass_with_the_right_to_power_and_are_recorded(
    relay: Relay, guest: Guest, ana: Person, rfb_server: RFBServer
) -> None:
    page = Page(relay, ana, guest)
    reset = b"\xfa\0\1\4"
    page.type(encodings(0, -309) + reset + b"\xfa\0\1\x09")
    assert rfb_server.heard(encodings(0, -309) + reset)
    assert actions() == [("console.power", "ok")]
    # The right is asked for at that moment: this one went without a word.
    Grant.objects.filter(user=ana.user).update(role="watcher")
    page.type(reset + UPDATE)
    assert rfb_server.heard(encodings(0, -309) + reset + UPDATE)
    assert actions() == [("console.power", "denied"), ("console.power", "ok")]


def test_a_ping_is_answered_and_nonsense_is_not(relay: Relay, guest: Guest, ana: Person) -> None:
    page = Page(relay, ana, guest)
    for nonsense in ("", "[]", "{", "7", '{"keyboard": 7}', '{"view_only": "yes"}', '{"ping": "x"}', "[" * 4000):
        page.browser.send(nonsense)
    page.ask(ping=12.5)
    page.wait(lambda: page.told.get("pong") == 12.5)
    assert "refused" not in page.told


def test_a_room_is_forgotten_with_its_last_person(relay: Relay, guest: Guest, ana: Person) -> None:
    page = Page(relay, ana, guest)
    assert relay.server._server is not None
    room: seats.Seats = relay.server._server.seats
    assert list(room._keyboards) == [guest.pk]
    page.browser.close()
    assert wait_for(lambda: not room._keyboards)


def test_who_does_nothing_is_warned_and_sent_away_unless_they_are_here(
    relay: Relay, guest: Guest, ana: Person, person: MakePerson, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CONSOLE_IDLE_MINUTES = 2 / 60
    monkeypatch.setattr(pump, "PING_SECONDS", 0.1)
    page, watcher = Page(relay, ana, guest), Page(relay, person("rui", "watcher"), guest, Mode.WATCH)
    page.wait(lambda: page.told.get("ending") == "idle")
    page.ask(here=True)
    page.wait(lambda: page.told["ending"] is None)
    page.type(UPDATE)  # a picture is asked for by the page, not by a person
    page.ask(ping=1)
    assert close_of(page.browser)[0] == 4431
    watcher.ask(ping=2)
    watcher.wait(lambda: watcher.told.get("pong") == 2)


def test_typing_and_moving_the_mouse_put_the_idle_end_off(
    relay: Relay, guest: Guest, ana: Person, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CONSOLE_IDLE_MINUTES = 1 / 60
    monkeypatch.setattr(pump, "PING_SECONDS", 0.1)
    page = Page(relay, ana, guest)
    for n in range(15):
        page.type(key(0x61) if n % 2 else pointer(0, n, n))
        time.sleep(0.1)
    page.ask(ping=3)
    page.wait(lambda: page.told.get("pong") == 3)


def test_a_console_ends_with_its_longest_time(
    relay: Relay, guest: Guest, person: MakePerson, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CONSOLE_HOURS = 0.5 / 3600
    monkeypatch.setattr(pump, "PING_SECONDS", 0.1)
    page = Page(relay, person("rui", "watcher"), guest, Mode.WATCH)
    assert close_of(page.browser)[0] == 4430
