"""A guest that is migrated to another managed host: its console goes with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from django.utils import timezone

from consoles.sessions import LiveSessions
from consoles.text.broker import TextBroker
from consoles.text.device import GuestIsElsewhere, GuestIsOff
from consoles.text.host_link import HostLink
from guests.access.models import Grant
from guests.inventory.changes import ChangeFeed, Feed, announce
from guests.inventory.models import Guest, Host
from tests.consoles.conftest import Person
from tests.consoles.text.conftest import FakeLink
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
    feed = ChangeFeed()
    broker = TextBroker(sessions, socket_path, lambda uri: cast("HostLink", links[uri]), feed)
    await asyncio.to_thread(feed.start)
    await broker.start()
    yield broker
    await broker.stop()
    await asyncio.to_thread(feed.stop)


@pytest.fixture
def ana(person: object, guest: Guest) -> Person:
    """She may type on every host."""
    made = cast("Person", person("ana", role=None))  # type: ignore[operator]
    Grant.objects.create(user=made.user, role="operator", scope="everything")
    return made


def arrive(guest: Guest) -> None:
    """What the inventory does, see tests/guests/inventory/test_moving.py."""
    beta, _ = Host.objects.get_or_create(name="beta", uri="qemu+ssh://beta/system")
    Guest.objects.filter(pk=guest.pk).update(host=beta, gone_at=None)
    announce(Feed.INVENTORY)


def leave(link: FakeLink, *, off: bool = False) -> None:
    link.host.refuse_with = GuestIsOff("off") if off else GuestIsElsewhere("gone")
    link.host.stream.on_end("stopped")


async def test_the_console_goes_on_where_the_guest_is(
    sit: Sit, broker: TextBroker, link: FakeLink, there: FakeLink, guest: Guest, ana: Person, sessions: LiveSessions
) -> None:
    seat = await live(await sit(ana))
    link.host.stream.says(b"here\r\n")
    leave(link)
    await until(lambda: seat.said("state")[-1] == "attaching")
    await asyncio.to_thread(lambda: Guest.objects.filter(pk=guest.pk).update(gone_at=timezone.now()))
    await asyncio.to_thread(sessions.check)  # for a moment it is on no host: nobody is sent away for that
    await asyncio.to_thread(arrive, guest)
    await until(lambda: there.host.streams)
    await live(seat)
    assert seat.said("host")[-1] == "beta"
    assert seat.said("mark") == ["moved"]  # it did not stop
    there.host.stream.says(b"there\r\n")
    seat.type(b"id\r")
    await until(lambda: seat.output == b"here\r\nthere\r\n" and there.host.stream.typed == b"id\r")
    await asyncio.to_thread(sessions.check)
    assert seat.close_code is None


async def test_a_guest_that_was_off_when_it_moved_is_attached_there_when_it_starts(
    sit: Sit, broker: TextBroker, link: FakeLink, there: FakeLink, guest: Guest, ana: Person
) -> None:
    seat = await live(await sit(ana))
    leave(link, off=True)
    await until(lambda: seat.said("state")[-1] == "off")
    there.host.refuse_with = GuestIsOff("not started yet")
    await asyncio.to_thread(arrive, guest)
    await until(lambda: there.host.attempts)
    there.host.refuse_with = None
    broker._device(guest, "serial0").try_again()
    await live(seat)
    assert seat.said("mark") == ["stopped", "moved", "started"]


async def test_who_may_not_use_it_there_is_sent_away_before_it_speaks(
    sit: Sit, broker: TextBroker, link: FakeLink, there: FakeLink, guest: Guest, person: object, ana: Person
) -> None:
    rui = await asyncio.to_thread(lambda: cast("Person", person("rui", role=None)))  # type: ignore[operator]
    await asyncio.to_thread(
        lambda: Grant.objects.create(user=rui.user, role="operator", scope="host", host_id=guest.host_id)
    )
    both = [await live(await sit(who)) for who in (ana, rui)]
    leave(link)
    await asyncio.to_thread(arrive, guest)
    await until(lambda: there.host.streams)
    await until(lambda: both[1].close_code == 4403)
    there.host.stream.says(b"secret")
    await until(lambda: both[0].output == b"secret")
    assert both[1].output == b""
