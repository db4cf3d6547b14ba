"""Consoles side by side, and the settings of a guest's consoles: who gets which."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from consoles.console_settings import setting_of
from consoles.models import Sharing
from consoles.views.wall import MOST
from guests.audit.models import AuditRecord
from guests.hypervisor.domain_xml import parse_definition
from guests.inventory.definition_json import definition_to_json
from guests.inventory.models import Guest
from guests.resources import GuestState
from tests.consoles.conftest import Person
from tests.consoles.text.conftest import SERIAL

DEFINITION = """<domain type='qemu'><name>web-1</name><uuid>5f3c1b0e-0000-4000-8000-00000000000a</uuid>
<memory>262144</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os>
<devices><serial type='pty'><target type='isa-serial' port='0'/><alias name='serial0'/></serial></devices></domain>"""
WALL = reverse("consoles:wall")


@pytest.fixture
def others(guest: Guest) -> list[Guest]:
    return [
        Guest.objects.create(
            id=(identity := uuid4()),
            uuid=identity,
            host=guest.host,
            name=f"other-{number}",
            state="running",
            definition={"text_consoles": [SERIAL]},
        )
        for number in range(MOST + 1)
    ]


def open_wall(client: Client, *guests: Guest | UUID) -> str:
    ids = [guest.pk if isinstance(guest, Guest) else guest for guest in guests]
    answer = client.get(WALL, {"guest": ids})
    assert answer.status_code == 200
    return answer.content.decode()


def test_only_the_guests_that_may_be_watched_are_shown(
    person: Callable[..., Person], guest: Guest, others: list[Guest]
) -> None:
    text = open_wall(person(role="watcher").client, others[0], guest, others[1])
    assert text.count("data-cell") == 1
    assert f"/ws/guests/{guest.pk}/text/serial0/" in text
    assert "other-0" not in text
    assert "2 of the guests are not shown" in text


def test_what_is_not_there_and_what_may_not_be_seen_answer_alike(
    person: Callable[..., Person], others: list[Guest]
) -> None:
    client = person(role="watcher").client
    assert client.get(WALL, {"guest": [others[0].pk]}).status_code == 404
    assert client.get(WALL, {"guest": [uuid4()]}).status_code == 404
    assert client.get(WALL).status_code == 404
    assert client.get(WALL, {"guest": ["no-id"]}).status_code == 404


def test_a_wall_has_nine_consoles_each_once(
    client: Client, admin_user: object, guest: Guest, others: list[Guest]
) -> None:
    client.force_login(admin_user, backend="allauth.account.auth_backends.AuthenticationBackend")  # type: ignore[arg-type]
    text = open_wall(client, guest, guest, *others)
    assert text.count("data-cell") == MOST
    assert text.count(f"/ws/guests/{guest.pk}/") == 1
    assert "at most 9 consoles" in text


def test_a_wall_asks_the_database_the_same_for_one_and_for_nine(
    client: Client, admin_user: object, others: list[Guest]
) -> None:
    client.force_login(admin_user, backend="allauth.account.auth_backends.AuthenticationBackend")  # type: ignore[arg-type]
    open_wall(client, others[0])
    with CaptureQueriesContext(connection) as one:
        open_wall(client, others[0])
    with CaptureQueriesContext(connection) as nine:
        open_wall(client, *others[:MOST])
    assert len(nine) == len(one)


def test_an_operator_sets_who_types_and_what_is_recorded(person: Callable[..., Person], guest: Guest) -> None:
    client = person().client
    url = reverse("consoles:setting", args=[guest.pk])
    assert 'value="all"' in client.get(url).content.decode()
    answer = client.post(url, {"keyboard": "one", "record": "on"}, headers={"HX-Request": "true"})
    assert answer.status_code == 204
    stored = setting_of(guest)
    assert (stored.keyboard, stored.record) == (Sharing.ONE, True)
    assert AuditRecord.objects.filter(action="console.setting", guest=guest).count() == 1


def test_a_setting_that_is_none_is_refused_with_the_form(person: Callable[..., Person], guest: Guest) -> None:
    answer = person().client.post(reverse("consoles:setting", args=[guest.pk]), {"keyboard": "three"})
    assert answer.status_code == 200
    assert "<form" in answer.content.decode()
    assert setting_of(guest).keyboard == Sharing.ALL


def test_a_watcher_sets_nothing(person: Callable[..., Person], guest: Guest) -> None:
    client = person(role="watcher").client
    url = reverse("consoles:setting", args=[guest.pk])
    assert client.get(url).status_code in {403, 404}
    assert client.post(url, {"keyboard": "one"}).status_code in {403, 404}
    assert 'data-tool="setting"' not in client.get(reverse("consoles:text-default", args=[guest.pk])).content.decode()


def test_only_administrators_are_offered_to_take_over(person: Callable[..., Person], guest: Guest) -> None:
    page = reverse("consoles:text-default", args=[guest.pk])
    assert 'data-tool="take-over"' not in person().client.get(page).content.decode()
    assert 'data-tool="take-over"' in person("eva", role="administrator").client.get(page).content.decode()


def test_the_log_is_for_who_may_watch(person: Callable[..., Person], guest: Guest) -> None:
    page = reverse("consoles:past", args=[guest.pk, "serial0"])
    assert person(role=None).client.get(page).status_code == 404
    client = person("eva", role="watcher").client
    assert client.get(page).status_code == 200
    assert client.get(reverse("consoles:past", args=[guest.pk, "serial9"])).status_code == 404


def test_the_log_of_a_guest_that_is_off_is_found_on_its_page(person: Callable[..., Person], guest: Guest) -> None:
    guest.state, guest.definition = GuestState.SHUT_OFF, definition_to_json(parse_definition(DEFINITION))
    guest.save()
    text = person(role="watcher").client.get(reverse("guests:console", args=[guest.pk])).content.decode()
    assert reverse("consoles:past", args=[guest.pk, "serial0"]) in text
    assert 'id="open-serial0"' not in text
