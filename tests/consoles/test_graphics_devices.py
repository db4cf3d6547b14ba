"""Guests without a graphical console, or with one that the network reaches: what is offered, what is asked, by whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consoles.views import console_devices
from guests.inventory.models import Guest
from guests.operations.models import Operation
from guests.resources import Graphics
from tests.consoles.conftest import Person
from tests.guests.test_guest_page import definition

MakePerson = Callable[..., Person]

SPICE = Graphics("spice", "address", "127.0.0.1")
INSIDE = Graphics("vnc", "address", "127.0.0.1", 5900)
OUTSIDE = Graphics("vnc", "address", "0.0.0.0", 5900)


@pytest.fixture(autouse=True)
def nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_devices, "WAIT_SECONDS", 0.0)


def give(guest: Guest, *graphics: Graphics, next_boot: Graphics | None = None) -> None:
    guest.definition = definition(guest, graphics=graphics)
    guest.next_boot = definition(guest, graphics=(next_boot,) if next_boot else graphics)
    guest.save()


@pytest.mark.parametrize("before", [(), (SPICE,)], ids=["none", "spice"])
def test_the_page_of_a_guest_without_a_screen_offers_one(
    before: tuple[Graphics, ...],
    guest: Guest,
    person: MakePerson,
) -> None:
    give(guest, *before)
    ana, wanda = person("ana", "operator"), person("wanda", "watcher")
    page, url = f"/guests/{guest.pk}/console/vnc/", f"/guests/{guest.pk}/console/add-graphics/"
    assert url in ana.client.get(page).content.decode()
    assert url not in wanda.client.get(page).content.decode()
    for _ in range(2):  # the same form twice is one operation
        assert ana.client.post(url, {"key": "k"}).status_code == 302
    (operation,) = Operation.objects.all()
    assert (operation.kind, operation.asked_by) == ("add_graphics", ana.user)
    give(guest, *before, next_boot=INSIDE)
    assert "has one already" in ana.client.get(page).content.decode()


@pytest.mark.parametrize(
    ("uri", "live", "next_boot", "told", "offered"),
    [
        ("qemu:///system", OUTSIDE, OUTSIDE, True, True),
        ("qemu+ssh://root@atlas/system", OUTSIDE, OUTSIDE, True, True),
        ("qemu+tls://atlas/system", OUTSIDE, OUTSIDE, True, False),
        ("qemu+ssh://root@atlas/system", OUTSIDE, INSIDE, True, False),
        ("qemu:///system", INSIDE, INSIDE, False, False),
    ],
)
def test_a_screen_that_the_network_reaches_is_told_and_can_be_kept_inside(
    uri: str,
    live: Graphics,
    next_boot: Graphics,
    told: bool,
    offered: bool,
    guest: Guest,
    person: MakePerson,
) -> None:
    guest.host.uri = uri
    guest.host.save()
    give(guest, live, next_boot=next_boot)
    ana, url = person(), f"/guests/{guest.pk}/console/keep-inside/"
    page = ana.client.get(f"/guests/{guest.pk}/console/").content.decode()
    assert ("can try to connect to it" in page, url in page) == (told, offered)
    watched = person("wanda", "watcher").client.get(f"/guests/{guest.pk}/console/").content.decode()
    assert url not in watched
    assert ana.client.post(url, {"key": "k"}).status_code == 302
    assert Operation.objects.get().kind == "keep_graphics_inside"


@pytest.mark.parametrize("path", ["add-graphics/", "keep-inside/"])
def test_nobody_else_changes_a_screen(path: str, guest: Guest, person: MakePerson) -> None:
    for name, role, status in (("wanda", "watcher", 403), ("eve", None, 404)):
        assert person(name, role).client.post(f"/guests/{guest.pk}/console/{path}").status_code == status
    assert not Operation.objects.exists()
