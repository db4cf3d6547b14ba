"""The keyboard among the people of one console."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from consoles.models import Mode, Sharing
from consoles.sessions import LiveSession
from consoles.sharing import SharedKeyboard


@dataclass(eq=False)
class Sitter:
    """One viewer without a connection."""

    id: str
    mode: Mode = Mode.CONTROL
    since: float = 1.0
    session: LiveSession | None = None
    told: list[dict[str, Any]] = field(default_factory=list)
    followed: int = 0

    @property
    def name(self) -> str:
        return f"person {self.id}"

    def follow(self) -> None:
        self.followed += 1

    def tell(self, people: bytes) -> None:
        self.told.append(json.loads(people))


@pytest.fixture
def people() -> list[Sitter]:
    return [Sitter("1"), Sitter("2"), Sitter("3", Mode.WATCH)]


async def shared(people: list[Sitter], sharing: Sharing = Sharing.ONE) -> SharedKeyboard:
    keyboard = SharedKeyboard(asyncio.get_running_loop().call_soon)
    keyboard.share(sharing)
    for sitter in people:
        keyboard.enter(sitter)
    return keyboard


async def test_all_who_may_type_type_at_once(people: list[Sitter]) -> None:
    keyboard = await shared(people, Sharing.ALL)
    assert [keyboard.may_type(sitter) for sitter in people] == [True, True, False]
    assert not keyboard.request(people[0], "take")


async def test_the_first_who_may_type_has_the_keyboard(people: list[Sitter]) -> None:
    watcher, first = Sitter("8", Mode.WATCH), Sitter("9")
    keyboard = await shared([watcher, first, *people])
    assert keyboard.holder is first
    assert [keyboard.may_type(sitter) for sitter in (watcher, first, *people)] == [False, True, False, False, False]


async def test_who_asks_is_given_it_by_the_holder(people: list[Sitter]) -> None:
    ana, rui, _ = people
    keyboard = await shared(people)
    assert keyboard.request(rui, "ask")
    assert [row["asks"] for row in keyboard.people()["people"]] == [False, True, False]
    assert not keyboard.may_type(rui)
    assert keyboard.request(ana, "give", "2")
    assert (keyboard.may_type(ana), keyboard.may_type(rui)) == (False, True)
    assert not any(row["asks"] for row in keyboard.people()["people"])


async def test_a_holder_who_keeps_it_is_asked_no_more(people: list[Sitter]) -> None:
    ana, rui, _ = people
    keyboard = await shared(people)
    keyboard.request(rui, "ask")
    assert keyboard.request(ana, "keep")
    assert keyboard.request(ana, "release")
    assert keyboard.holder is None
    assert keyboard.request(rui, "take")
    assert keyboard.may_type(rui)


async def test_a_holder_who_leaves_frees_it_for_who_asked_first(people: list[Sitter]) -> None:
    ana, rui, _ = people
    keyboard = await shared(people)
    keyboard.request(rui, "ask")
    keyboard.leave(ana)
    assert keyboard.holder is rui
    keyboard.leave(rui)
    assert keyboard.holder is None


@pytest.mark.parametrize("word", ["ask", "take", "release", "keep", "unask", "nonsense"])
async def test_a_watcher_gets_it_by_no_word(people: list[Sitter], word: str) -> None:
    ana, _, watcher = people
    keyboard = await shared(people)
    keyboard.request(ana, "release")
    assert not keyboard.request(watcher, word)
    assert not keyboard.take(watcher)
    assert not keyboard.may_type(watcher)


async def test_it_is_given_to_nobody_who_may_not_type_or_is_gone(people: list[Sitter]) -> None:
    keyboard = await shared(people)
    assert not keyboard.request(people[0], "give", "3")
    assert not keyboard.request(people[0], "give", "77")
    assert not keyboard.request(people[1], "give", "2"), "only the holder gives"


async def test_nobody_takes_it_from_the_holder_but_an_administrator(people: list[Sitter]) -> None:
    ana, rui, _ = people
    keyboard = await shared(people)
    assert not keyboard.request(rui, "take")
    assert keyboard.take(rui)
    assert (keyboard.may_type(ana), keyboard.may_type(rui)) == (False, True)


async def test_a_holder_who_becomes_a_watcher_loses_it(people: list[Sitter]) -> None:
    ana = people[0]
    keyboard = await shared(people)
    ana.mode = Mode.WATCH
    keyboard.mode_changed(ana)
    assert keyboard.holder is None
    assert not keyboard.may_type(ana)
    ana.mode = Mode.CONTROL
    keyboard.mode_changed(ana)
    assert not keyboard.may_type(ana), "it is not theirs again by itself"
    assert keyboard.request(ana, "take")


async def test_a_changed_setting_takes_it_from_all(people: list[Sitter]) -> None:
    keyboard = await shared(people, Sharing.ALL)
    keyboard.share(Sharing.ONE)
    assert [keyboard.may_type(sitter) for sitter in people] == [False, False, False]
    keyboard.request(people[1], "take")
    keyboard.share(Sharing.ALL)
    assert [keyboard.may_type(sitter) for sitter in people] == [True, True, False]


async def test_a_change_counts_at_once_and_is_told_later(people: list[Sitter]) -> None:
    ana, rui, _ = people
    keyboard = await shared(people)
    before = [sitter.followed for sitter in people]
    assert keyboard.request(ana, "give", rui.id)
    assert [sitter.followed for sitter in people] == [count + 1 for count in before]
    assert not any(sitter.told for sitter in people)
    await asyncio.sleep(0)
    assert all(sitter.told for sitter in people)


async def test_many_changes_are_told_once_to_everybody(people: list[Sitter]) -> None:
    keyboard = await shared(people)
    keyboard.request(people[1], "ask")
    await asyncio.sleep(0)
    assert [len(sitter.told) for sitter in people] == [1, 1, 1]
    rows = people[2].told[0]["people"]
    assert [(row["name"], row["mode"], row["holds"], row["asks"]) for row in rows] == [
        ("person 1", "control", True, False),
        ("person 2", "control", False, True),
        ("person 3", "watch", False, False),
    ]
