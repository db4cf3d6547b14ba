"""A guest that is migrated to another managed host: its console goes with it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from django.utils import timezone

from consoles.sessions import LiveSessions
from consoles.text.broker import TextBroker
from consoles.text.device import GuestIsOff
from consoles.text.host_link import HostLink
from guests.access.models import Grant
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest, Host
from tests.consoles.conftest import Person
from tests.consoles.text.conftest import SERIAL, FakeLink
from tests.consoles.text.fake_stream import until
from tests.consoles.text.test_shared_console import Sit, live


@pytest.fixture
def there() -> FakeLink:
    """The host to which it goes."""
    return FakeLink()


@pytest_asyncio.fixture
async def broker(
    guest: Guest, link: FakeLink, there: FakeLink, sessions: LiveSessions, socket_path: Path
) -> AsyncIterator[TextBroker]:
    links = {guest.host.uri: link, "qemu+ssh://beta/system": there}
    broker = TextBroker(sessions, socket_path, lambda uri: cast("HostLink", links[uri]))
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
def ana(person: object, guest: Guest) -> Person:
    """She may type on every host."""
    made = cast("Person", person("ana", role=None))  # type: ignore[operator]
    Grant.objects.create(user=made.user, role="operator", scope="everything")
    return made


def arrive(guest: Guest, *, seconds_ago: float = 0.0, state: str = "running") -> Guest:
    beta, _ = Host.objects.get_or_create(name="beta", uri="qemu+ssh://beta/system")
    return Guest.objects.create(
        id=uuid.uuid4(),
        uuid=guest.uuid,
        host=beta,
        name=guest.name,
        state=state,
        state_since=timezone.now() - timedelta(seconds=seconds_ago),
        definition={"text_consoles": [SERIAL]},
    )


def leave(link: FakeLink) -> None:
    link.host.refuse_with = GuestIsOff("gone")
    link.host.stream.on_end("stopped")


async def test_the_console_goes_on_where_the_guest_is(
    sit: Sit, broker: TextBroker, link: FakeLink, there: FakeLink, guest: Guest, ana: Person, sessions: LiveSessions
) -> None:
    seat = await live(await sit(ana))
    link.host.stream.says(b"here\r\n")
    leave(link)
    await until(lambda: seat.said("state")[-1] == "off")
    await asyncio.to_thread(lambda: Guest.objects.filter(pk=guest.pk).update(gone_at=timezone.now()))
    await asyncio.to_thread(sessions.check)
    moved = await asyncio.to_thread(arrive, guest)
    await until(lambda: there.host.streams)
    await live(seat)
    assert (seat.said("host")[-1], seat.said("guest")[-1]) == ("beta", str(moved.pk))
    assert "moved" in seat.said("mark")
    there.host.stream.says(b"there\r\n")
    seat.type(b"id\r")
    await until(lambda: seat.output == b"here\r\nthere\r\n" and there.host.stream.typed == b"id\r")
    await asyncio.to_thread(sessions.check)
    assert seat.close_code is None
    actions = await asyncio.to_thread(lambda: list(AuditRecord.objects.values_list("action", "guest_id")))
    assert ("console.moved", moved.pk) in actions


async def test_who_may_not_use_it_there_is_sent_away_before_it_speaks(
    sit: Sit, broker: TextBroker, link: FakeLink, there: FakeLink, guest: Guest, person: object, ana: Person
) -> None:
    rui = await asyncio.to_thread(lambda: cast("Person", person("rui", "operator")))  # type: ignore[operator]
    both = [await live(await sit(who)) for who in (ana, rui)]
    leave(link)
    await asyncio.to_thread(arrive, guest)
    await until(lambda: there.host.streams)
    await until(lambda: both[1].close_code == 4403)
    there.host.stream.says(b"secret")
    await until(lambda: both[0].output == b"secret")
    assert both[1].output == b""


@pytest.mark.parametrize(("seconds_ago", "state"), [(3600.0, "running"), (0.0, "paused")])
async def test_a_copy_that_ran_there_before_is_another_guest(
    sit: Sit,
    broker: TextBroker,
    link: FakeLink,
    there: FakeLink,
    guest: Guest,
    ana: Person,
    seconds_ago: float,
    state: str,
) -> None:
    await asyncio.to_thread(lambda: arrive(guest, seconds_ago=seconds_ago, state=state))
    seat = await live(await sit(ana))
    leave(link)
    await until(lambda: seat.said("state")[-1] == "off")
    await asyncio.sleep(1.2)
    assert there.host.attempts == 0
