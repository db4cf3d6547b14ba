"""Several people at one console, through the broker: who is here, whose keys arrive, who may take what."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.conf import settings

from consoles.console_settings import change_setting
from consoles.models import Sharing
from consoles.text import device as device_module
from consoles.text.broker import TextBroker
from consoles.text.protocol import FromBrowser
from guests.audit.models import AuditRecord
from guests.errors import DeviceBusy
from guests.inventory.models import Guest
from tests.consoles.conftest import Person
from tests.consoles.text.conftest import FakeLink, Seat
from tests.consoles.text.fake_stream import until

Sit = Callable[..., Awaitable[Seat]]


@pytest.fixture
def ana(person: Callable[..., Person]) -> Person:
    return person("ana", "operator")


@pytest.fixture
def rui(person: Callable[..., Person]) -> Person:
    return person("rui", "watcher")


@pytest.fixture
def eva(person: Callable[..., Person]) -> Person:
    return person("eva", "administrator")


@pytest.fixture
def one_holder(guest: Guest, eva: Person) -> None:
    change_setting(guest, keyboard=Sharing.ONE, record=False, by=eva.user)


def ask(seat: Seat, **request: Any) -> None:
    seat.send(bytes([FromBrowser.JSON]) + json.dumps(request).encode())


async def live(seat: Seat) -> Seat:
    await until(lambda: seat.said("state") and seat.said("state")[-1] == "live")
    return seat


def names(seat: Seat) -> list[tuple[str, str, bool]]:
    return [(row["name"], row["mode"], row["holds"]) for row in seat.said("people")[-1]]


async def actions() -> list[tuple[str, str]]:
    return await asyncio.to_thread(
        lambda: list(AuditRecord.objects.filter(action__startswith="console.ta").values_list("action", "outcome"))
    )


async def test_everybody_is_told_who_is_here(sit: Sit, ana: Person, rui: Person) -> None:
    first = await live(await sit(ana))
    second = await live(await sit(rui, "watch"))
    both = [("ana", "control", False), ("rui", "watch", False)]
    await until(lambda: names(first) == both == names(second))
    assert first.said("you") != second.said("you")
    await second.leave()
    await until(lambda: names(first) == both[:1])


async def test_only_the_holder_types(sit: Sit, link: FakeLink, ana: Person, eva: Person, one_holder: None) -> None:
    first, second = await live(await sit(ana)), await live(await sit(eva))
    await until(lambda: names(second) == [("ana", "control", True), ("eva", "control", False)])
    second.type(b"intruder")
    first.type(b"ls\r")
    await until(lambda: link.host.stream.typed == b"ls\r")
    await until(lambda: second.said("refused") == ["input"])
    ask(second, keyboard="ask")
    await until(lambda: first.said("people")[-1][1]["asks"])
    ask(first, keyboard="give", to=second.said("you")[0])
    await until(lambda: names(second)[1][2])
    second.type(b"id\r")
    first.type(b"no")
    await until(lambda: link.host.stream.typed == b"ls\rid\r")
    await second.leave()
    await until(lambda: names(first) == [("ana", "control", False)])
    ask(first, keyboard="take")
    await until(lambda: names(first)[0][2])


async def test_an_administrator_takes_the_keyboard_and_it_is_recorded(
    sit: Sit, ana: Person, eva: Person, person: Callable[..., Person], one_holder: None
) -> None:
    other = await asyncio.to_thread(lambda: person("ivo", "operator"))
    first, second, third = await live(await sit(ana)), await live(await sit(eva)), await live(await sit(other))
    ask(third, keyboard="take")
    await until(lambda: third.said("refused") == ["take"])
    await until(lambda: len(names(third)) == 3)
    await until(lambda: len(names(first)) == 3)
    assert names(third)[0][2]
    ask(second, keyboard="take")
    await until(lambda: names(first)[1][2])
    assert sorted(await actions()) == [("console.take_keyboard", "denied"), ("console.take_keyboard", "ok")]


async def test_F3_open_taking_and_close_are_recorded_with_bytes_and_duration(
    sit: Sit, link: FakeLink, ana: Person, eva: Person, one_holder: None
) -> None:
    first, second = await live(await sit(ana)), await live(await sit(eva))
    await until(lambda: names(first)[0][2] and len(names(first)) == 2)
    link.host.stream.says(b"login: ")
    first.type(b"ls\r")
    await until(lambda: link.host.stream.typed == b"ls\r")
    await until(lambda: first.output == second.output == b"login: ")
    ask(second, keyboard="take")
    await until(lambda: names(first)[1][2])
    await first.leave()

    def lines() -> dict[tuple[str, str], dict[str, Any]]:
        found = AuditRecord.objects.filter(action__startswith="console.").exclude(action="console.setting")
        return {(line.action, line.user_name): line.detail for line in found}

    await until_recorded("console.close")
    found = await asyncio.to_thread(lines)
    assert set(found) == {
        ("console.open", "ana"),
        ("console.open", "eva"),
        ("console.take_keyboard", "eva"),
        ("console.close", "ana"),
    }
    taken, closed = found["console.take_keyboard", "eva"], found["console.close", "ana"]
    assert (taken["kind"], taken["device"], taken["holder"]) == ("text", "serial0", "ana")
    assert (taken["bytes_in"], taken["bytes_out"]) == (0, 7)
    assert (taken["holder_bytes_in"], taken["holder_bytes_out"]) == (3, 7)
    assert (closed["bytes_in"], closed["bytes_out"], closed["reason"]) == (3, 7, "left")
    assert 0 <= taken["holder_seconds"] <= closed["seconds"] < 60
    assert 0 <= taken["seconds"] <= taken["holder_seconds"]


async def until_recorded(action: str) -> None:
    for _ in range(200):
        if await asyncio.to_thread(AuditRecord.objects.filter(action=action).exists):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"no line {action}")


async def test_a_refusal_is_in_the_persons_language_and_a_storm_of_requests_is_recorded_once(
    sit: Sit, ana: Person, eva: Person, one_holder: None
) -> None:
    await live(await sit(eva))
    seat = await live(await sit(ana, language="pt-br"))
    for _ in range(50):
        ask(seat, keyboard="take")
    ask(seat, keyboard="release")
    await until(lambda: set(seat.said("refused")) == {"take", "release"})
    assert seat.said("sentence")[0] != "The keyboard is not yours to do that."
    await asyncio.sleep(0.2)
    assert await actions() == [("console.take_keyboard", "denied")]


async def test_a_changed_setting_is_told_and_enforced(
    sit: Sit, broker: TextBroker, link: FakeLink, ana: Person, guest: Guest
) -> None:
    seat = await live(await sit(ana))
    assert seat.said("keyboard") == ["all"] * len(seat.said("keyboard"))
    await asyncio.to_thread(lambda: change_setting(guest, keyboard=Sharing.ONE, record=False, by=ana.user))
    await broker.settings_changed()
    await until(lambda: seat.said("keyboard")[-1] == "one")
    seat.type(b"x")
    await until(lambda: seat.said("refused") == ["input"])
    assert link.host.stream.typed == b""


async def test_only_administrators_take_over_and_it_is_recorded(
    sit: Sit, link: FakeLink, ana: Person, eva: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(device_module.AGAIN_SECONDS, device_module.DeviceState.BUSY, 30.0)
    link.host.refuse_with = DeviceBusy("held")
    seat, admin = await sit(ana), await sit(eva)
    for each in (seat, admin):
        await until(lambda each=each: each.said("state") and each.said("state")[-1] == "busy")
    assert (seat.said("administrator"), admin.said("administrator")) == ([False], [True])
    ask(seat, take_over=True)
    await until(lambda: seat.said("refused") == ["take_over"])
    assert link.host.forced == 0
    ask(admin, take_over=True)
    await live(seat)
    assert link.host.forced == 1
    assert seat.said("mark") == ["taken_over"]
    assert sorted(await actions()) == [("console.take_over", "denied"), ("console.take_over", "ok")]


async def test_a_controller_who_does_nothing_is_warned_and_sent_away_a_watcher_is_not(
    sit: Sit, ana: Person, rui: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "CONSOLE_IDLE_MINUTES", 3 / 60)
    seat, watcher = await live(await sit(ana)), await live(await sit(rui, "watch"))
    await until(lambda: seat.said("ending") == ["idle"])
    ask(seat, here=True)
    await until(lambda: seat.close_code == 4431, seconds=8)
    assert watcher.close_code is None


async def test_who_says_to_be_here_puts_the_end_off(sit: Sit, ana: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "CONSOLE_IDLE_MINUTES", 4 / 60)
    seat = await live(await sit(ana))
    await until(lambda: seat.said("ending") == ["idle"])
    ask(seat, here=True)
    await until(lambda: seat.said("ending") == ["idle", None])
    assert seat.close_code is None


async def test_a_console_ends_with_its_longest_time(sit: Sit, rui: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "CONSOLE_HOURS", 1.5 / 3600)
    seat = await live(await sit(rui, "watch"))
    await until(lambda: seat.close_code == 4430)
    assert seat.said("ending") == ["long"]


async def test_a_machine_gun_is_sent_away(sit: Sit, link: FakeLink, ana: Person) -> None:
    seat = await live(await sit(ana))
    for _ in range(64):
        seat.type(b"a" * 65536)
        await asyncio.sleep(0)
    await until(lambda: seat.close_code == 4429)
    assert len(link.host.stream.typed) <= 1024 * 1024
