from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from consoles.models import Kind, Mode, Ticket
from consoles.tickets import redeem
from guests.inventory.models import Guest, Host
from tests.consoles.conftest import Person

MakePerson = Callable[..., Person]

VNC = {"graphics": [{"kind": "spice"}, {"kind": "vnc"}]}


@pytest.fixture
def guest(db: None) -> Guest:
    host = Host.objects.create(name="alpha", uri="test:///default")
    identity = uuid.uuid4()
    return Guest.objects.create(id=identity, uuid=identity, host=host, name="web-1", state="running", definition=VNC)


def page(guest: Guest) -> str:
    return reverse("consoles:vnc", args=[guest.id])


def ticket(guest: Guest) -> str:
    return reverse("consoles:ticket", args=[guest.id])


@pytest.mark.parametrize(("role", "mode"), [("watcher", Mode.WATCH), ("operator", Mode.CONTROL)])
def test_the_server_decides_the_mode(role: str, mode: Mode, guest: Guest, person: MakePerson) -> None:
    ana = person(role=role)
    answer = ana.client.post(ticket(guest), {"mode": "control"})
    assert answer.status_code == 200
    assert answer.json()["mode"] == mode
    assert answer["Cache-Control"] == "no-store"
    token = answer.json()["token"]
    redeemed = redeem(token, user=ana.user, session_key=ana.session_key, kind=Kind.VNC, guest_id=guest.id)
    assert (redeemed.mode, redeemed.guest) == (mode, guest)


def test_a_ticket_is_not_for_get(guest: Guest, person: MakePerson) -> None:
    assert person().client.get(ticket(guest)).status_code == 405
    assert not Ticket.objects.exists()


def test_a_ticket_needs_the_csrf_token(guest: Guest, person: MakePerson) -> None:
    ana = person()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = ana.client.cookies
    assert strict.post(ticket(guest)).status_code == 403
    assert not Ticket.objects.exists()


def test_nobody_gets_no_ticket(guest: Guest) -> None:
    assert Client().post(ticket(guest)).status_code in {302, 401, 403}
    assert not Ticket.objects.exists()


@pytest.mark.parametrize("address", [page, ticket])
def test_another_s_guest_looks_like_no_guest(address: Callable[[Guest], str], guest: Guest, person: MakePerson) -> None:
    eve = person("eve", role=None)
    call = eve.client.get if address is page else eve.client.post
    foreign, absent = call(address(guest)), call(address(Guest(id=uuid.uuid4())))
    assert foreign.status_code == absent.status_code == 404
    assert not Ticket.objects.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": "shut-off"}, "web-1 is shut off: it has no screen now."),
        ({"definition": {"graphics": []}}, "web-1 has no graphical console."),
        ({"definition": {"graphics": [{"kind": "spice"}]}}, "web-1 has no graphical console."),
        ({"gone_at": "2026-01-01T00:00:00Z"}, "web-1 is not on its host any more."),
    ],
)
def test_without_a_screen_there_is_a_sentence_instead(
    change: dict[str, object], words: str, guest: Guest, person: MakePerson
) -> None:
    Guest.objects.update(**change)
    answer = person().client.post(ticket(guest))
    assert (answer.status_code, answer.json()) == (409, {"sentence": words})
    assert not Ticket.objects.exists()


def test_a_controller_s_page_has_the_tools(guest: Guest, person: MakePerson) -> None:
    content = person().client.get(page(guest)).content.decode()
    assert 'data-mode="control"' in content
    assert f'data-socket="/websockify?guest={guest.id}"' in content
    assert reverse("consoles:text-default", args=[guest.id]) in content


def test_a_watcher_s_page_says_so(guest: Guest, person: MakePerson) -> None:
    content = person(role="watcher").client.get(page(guest)).content.decode()
    assert 'data-mode="watch"' in content
    assert "You watch" in content
    assert 'data-part="start"' not in content


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"definition": {"graphics": [{"kind": "spice"}]}}, "SPICE"),
        ({"definition": {}}, "needs a VNC graphics device"),
        ({"gone_at": "2026-01-01T00:00:00Z"}, "not on its host any more"),
    ],
)
def test_the_page_explains_why_there_is_no_screen(
    change: dict[str, object], words: str, guest: Guest, person: MakePerson
) -> None:
    Guest.objects.update(**change)
    answer = person().client.get(page(guest))
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert b"vnc_console.js" not in answer.content


def test_a_name_is_shown_as_text(guest: Guest, person: MakePerson) -> None:
    Guest.objects.update(name="<img src=x onerror=alert(1)>")
    content = person().client.get(page(guest)).content.decode()
    assert "<img src=x" not in content


def test_no_page_names_a_port_or_an_address_of_the_guest(guest: Guest, person: MakePerson) -> None:
    Guest.objects.update(definition={"graphics": [{"kind": "vnc", "address": "10.9.8.7", "port": 59137}]})
    ana = person()
    content = ana.client.get(page(guest)).content.decode() + ana.client.post(ticket(guest)).content.decode()
    assert "10.9.8.7" not in content
    assert "59137" not in content


def test_the_clipboard_is_offered_where_the_guest_can_share_it(guest: Guest, person: MakePerson) -> None:
    ana = person()
    assert b"needs the guest" in ana.client.get(page(guest)).content
    Guest.objects.update(definition=VNC | {"shares_clipboard": True})
    content = ana.client.get(page(guest)).content
    assert b"vnc-clipboard-dialog" in content
    assert b"needs the guest" not in content


def test_a_watcher_is_offered_no_setting(guest: Guest, person: MakePerson) -> None:
    content = person(role="watcher").client.get(page(guest)).content.decode()
    assert "vnc-setting-dialog" not in content
    assert 'data-tool="view-only"' in content
