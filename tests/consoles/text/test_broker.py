"""The broker over real unix sockets, with a fake byte stream in the guest's place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from consoles.models import ConsoleSession
from consoles.sessions import LiveSessions
from consoles.text import viewer as viewer_module
from consoles.text.broker import TextBroker
from guests.audit.models import AuditRecord
from tests.consoles.conftest import Person
from tests.consoles.text.conftest import FakeLink, Seat
from tests.consoles.text.fake_stream import until

Sit = Callable[..., Awaitable[Seat]]
KIB = 1024


@pytest.fixture
def ana(person: Callable[..., Person]) -> Person:
    return person("ana", "operator")


@pytest.fixture
def rui(person: Callable[..., Person]) -> Person:
    return person("rui", "watcher")


async def live(seat: Seat) -> Seat:
    await until(lambda: seat.statuses)
    await until(lambda: seat.said("state")[-1] == "live")
    return seat


async def test_two_people_see_the_same_and_both_type(sit: Sit, link: FakeLink, ana: Person) -> None:
    first, second = await live(await sit(ana)), await live(await sit(ana))
    link.host.stream.says(b"login: ")
    first.type(b"ro")
    await until(lambda: link.host.stream.typed == b"ro")
    second.type(b"ot\r")
    await until(lambda: link.host.stream.typed == b"root\r")
    await until(lambda: first.output == second.output == b"login: ")
    assert link.host.attempts == 1


async def test_a_watcher_sees_and_cannot_type(sit: Sit, link: FakeLink, rui: Person) -> None:
    seat = await live(await sit(rui, "watch"))
    link.host.stream.says(b"login: ")
    seat.type(b"root\r")
    await until(lambda: seat.output == b"login: ")
    await asyncio.sleep(0.1)
    assert link.host.stream.typed == b""


async def test_a_watcher_who_claims_control_is_refused(sit: Sit, link: FakeLink, rui: Person) -> None:
    seat = await sit(rui, "control")
    await until(lambda: seat.close_code == 4403)
    assert seat.statuses == []
    assert link.host.attempts == 0


async def test_who_joins_later_is_replayed_the_past(sit: Sit, link: FakeLink, ana: Person) -> None:
    await live(await sit(ana))
    link.host.stream.says(b"Booting\r\nlogin: ")
    late = await live(await sit(ana))
    await until(lambda: late.replayed == b"Booting\r\nlogin: ")
    link.host.stream.says(b"root")
    await until(lambda: late.output == b"Booting\r\nlogin: root")
    assert late.replayed == b"Booting\r\nlogin: "


async def test_who_comes_back_is_shown_the_rest_without_duplicates(sit: Sit, link: FakeLink, ana: Person) -> None:
    seat = await live(await sit(ana))
    link.host.stream.says(b"one\r\n")
    await until(lambda: seat.output == b"one\r\n")
    await seat.leave()
    link.host.stream.says(b"two\r\n")
    back = await sit(ana, ring=seat.said("ring")[0], after=seat.offset)
    await until(lambda: back.output == b"two\r\n")
    assert back.said("resumed") == [True]
    assert back.replayed == b"two\r\n"


async def test_who_does_not_draw_holds_256_kib_and_nobody_else(sit: Sit, link: FakeLink, ana: Person) -> None:
    slow, quick = await sit(ana), await sit(ana)
    slow.acknowledges = False
    await live(slow)
    await live(quick)
    for number in range(64):
        link.host.stream.says(b"%015d\n" % number * KIB)
        if number % 8 == 0:
            await asyncio.sleep(0.02)
    await until(lambda: len(quick.output) == 1024 * KIB, seconds=10)
    await asyncio.sleep(0.2)
    assert len(slow.output) == 256 * KIB
    assert quick.said("gap") == []
    slow.acknowledge()
    await until(lambda: slow.said("gap"))
    slow.acknowledges = True
    slow.acknowledge()
    await until(lambda: slow.output.endswith(quick.output[-16:]))
    assert len(slow.output) + sum(slow.said("gap")) == 1024 * KIB


async def test_who_draws_nothing_for_too_long_is_sent_away(
    sit: Sit, link: FakeLink, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer_module, "SLOW_SECONDS", 0.5)
    seat = await sit(ana)
    seat.acknowledges = False
    await live(seat)
    for _ in range(3):
        link.host.stream.says(b"x" * 100 * KIB)
        await asyncio.sleep(0.05)
    await until(lambda: seat.close_code == 4408)


async def test_input_over_the_rate_is_dropped_and_told(sit: Sit, link: FakeLink, ana: Person) -> None:
    seat = await live(await sit(ana))
    for _ in range(8):
        seat.type(b"a" * 64 * KIB)
    await until(lambda: seat.said("input_lost"))
    await asyncio.sleep(0.3)
    lost = sum(seat.said("input_lost"))
    assert lost > 200 * KIB
    assert len(link.host.stream.typed) + lost == 512 * KIB


@pytest.mark.parametrize("message", [bytes([9]), bytes([1]) + bytes(3), bytes([1]) + b"\xff" * 8])
async def test_who_breaks_the_protocol_is_sent_away(sit: Sit, ana: Person, message: bytes) -> None:
    seat = await live(await sit(ana))
    seat.send(message)
    await until(lambda: seat.close_code == 1002)


async def test_a_lost_right_ends_the_console(sit: Sit, sessions: LiveSessions, ana: Person) -> None:
    seat = await live(await sit(ana))
    assert ana.grant is not None
    await asyncio.to_thread(ana.grant.delete)
    await asyncio.to_thread(sessions.check)
    await until(lambda: seat.close_code == 4403)


async def test_a_controller_who_may_only_watch_from_now_on_cannot_type(
    sit: Sit, link: FakeLink, sessions: LiveSessions, ana: Person
) -> None:
    seat = await live(await sit(ana))
    grant = ana.grant
    assert grant is not None
    grant.role = "watcher"
    await asyncio.to_thread(grant.save)
    await asyncio.to_thread(sessions.check)
    await until(lambda: seat.said("mode")[-1] == "watch")
    seat.type(b"rm -rf /\r")
    await asyncio.sleep(0.1)
    assert link.host.stream.typed == b""


async def test_a_console_is_recorded_from_its_opening_to_its_end(sit: Sit, link: FakeLink, ana: Person) -> None:
    seat = await live(await sit(ana))
    link.host.stream.says(b"12345")
    seat.type(b"abc")
    await until(lambda: seat.output and link.host.stream.typed)
    await seat.leave()

    def ended() -> ConsoleSession | None:
        return ConsoleSession.objects.filter(ended_at__isnull=False).first()

    for _ in range(100):
        if row := await asyncio.to_thread(ended):
            break
        await asyncio.sleep(0.02)
    assert row is not None
    assert (row.kind, row.mode, row.bytes_in, row.bytes_out) == ("text", "control", 3, 5)
    actions = await asyncio.to_thread(lambda: list(AuditRecord.objects.values_list("action", flat=True)))
    assert {"console.open", "console.close"} <= set(actions)


async def test_a_stopped_broker_sends_everybody_away(
    sit: Sit, broker: TextBroker, socket_path: Path, ana: Person
) -> None:
    seat = await live(await sit(ana))
    await broker.stop()
    await until(lambda: seat.close_code == 1001)
    assert not socket_path.exists()


async def test_a_connection_that_says_nothing_is_dropped(
    broker: TextBroker, socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer_module, "HELLO_SECONDS", 0.1)
    reader, writer = await asyncio.open_unix_connection(socket_path)
    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()
