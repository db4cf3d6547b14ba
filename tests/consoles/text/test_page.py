"""The text console's page, for who may see it and where there is one."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from guests.inventory.models import Guest
from tests.consoles.conftest import Person
from tests.consoles.text.conftest import SERIAL


@pytest.fixture
def page(guest: Guest) -> str:
    return reverse("consoles:text-default", args=[guest.pk])


def test_a_controller_gets_a_terminal_and_may_type(person: Callable[..., Person], page: str, guest: Guest) -> None:
    answer = person().client.get(page)
    text = answer.content.decode()
    assert f'data-socket="/ws/guests/{guest.pk}/text/serial0/"' in text
    assert re.search(r"You can type\s*</span>", text)
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_watcher_is_told_that_they_watch(person: Callable[..., Person], page: str) -> None:
    assert re.search(r"You watch\s*</span>", person(role="watcher").client.get(page).content.decode())


def test_only_this_page_allows_style_attributes(person: Callable[..., Person], page: str) -> None:
    client = person().client
    policy = client.get(page).headers["Content-Security-Policy"]
    assert "style-src-attr 'unsafe-inline'" in policy
    assert policy.count("unsafe") == 1
    assert "unsafe" not in client.get("/accounts/login/").headers["Content-Security-Policy"]


def test_who_may_not_see_the_guest_finds_nothing(person: Callable[..., Person], page: str) -> None:
    client = person(role=None).client
    assert client.get(page).status_code == 404
    assert client.get(reverse("consoles:text-default", args=[uuid4()])).status_code == 404


def test_nobody_gets_the_page_without_signing_in(client: Client, page: str) -> None:
    assert client.get(page).status_code == 302


def test_the_page_is_only_read(person: Callable[..., Person], page: str) -> None:
    assert person().client.post(page).status_code == 405


def test_a_device_that_is_not_there_is_not_found(person: Callable[..., Person], guest: Guest) -> None:
    assert person().client.get(reverse("consoles:text", args=[guest.pk, "serial7"])).status_code == 404


def test_several_devices_can_be_chosen_from(person: Callable[..., Person], guest: Guest) -> None:
    guest.definition = {"text_consoles": [SERIAL, SERIAL | {"device": "serial1", "alias": "serial1"}]}
    guest.save()
    text = person().client.get(reverse("consoles:text", args=[guest.pk, "serial1"])).content.decode()
    assert 'id="device"' in text
    assert '/console/text/serial1/" selected' in text


def test_a_test_host_says_why_it_has_no_console(person: Callable[..., Person], page: str, guest: Guest) -> None:
    guest.host.uri = "test:///default"
    guest.host.save()
    text = person().client.get(page).content.decode()
    assert "test driver" in text
    assert "data-socket" not in text


def test_a_guest_without_a_serial_port_is_told_how_to_get_one(
    person: Callable[..., Person], page: str, guest: Guest
) -> None:
    guest.definition = {"text_consoles": [SERIAL | {"pty": False}]}
    guest.save()
    assert "&lt;serial type=&#x27;pty&#x27;/&gt;" in person().client.get(page).content.decode().replace("'", "&#x27;")


def test_a_name_that_is_markup_is_shown_as_text(person: Callable[..., Person], page: str, guest: Guest) -> None:
    guest.name = '<img src=x onerror=alert(1)>"'
    guest.save()
    assert "<img" not in person().client.get(page).content.decode()
