"""The list of operations: what was asked, to whom it is shown, and its end."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from guests.access.models import Role
from guests.inventory.models import Guest, Host
from guests.operations.models import Operation
from tests.guests.inventory_rows import GIB, grant, make_guest, make_host, person, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def host() -> Host:
    return make_host()


@pytest.fixture
def admin() -> Client:
    return signed_in(person("ada", superuser=True))


def operation(guest: Guest, kind: str = "pause", state: str = "done", **more: Any) -> Operation:
    number = Operation.objects.count()
    values = {"asked_by_name": "Rui", "idempotency_key": f"k{number}"} | more
    return Operation.objects.create(kind=kind, host=guest.host, guest=guest, state=state, **values)


def test_a_line_says_state_guest_from_what_to_what_who_and_what_came_of_it(host: Host, admin: Client) -> None:
    operation(
        make_guest(host, "web-1"),
        "set_current_memory",
        "failed",
        parameters={"kib": 3 * GIB, "live": True},
        before={"current_kib": 2 * GIB},
        message="Not reached.",
        detail="internal error: x",
    )
    text = admin.get("/operations/").content.decode()
    for shown in (
        "Failed",
        "web-1",
        "Set current memory",
        "2.0 GiB → 3.0 GiB",
        "Rui",
        "Not reached.",
        "internal error",
    ):
        assert shown in text, shown


def test_libvirt_s_words_are_for_administrators_only(host: Host) -> None:
    guest = make_guest(host, "web-1")
    operation(guest, state="failed", detail="internal error: x")
    user = person("op")
    grant(user, Role.OPERATOR, guest=guest)
    assert "internal error" not in signed_in(user).get("/operations/").content.decode()


def test_filters_by_state_kind_and_who_asked_with_counts(host: Host) -> None:
    user = person("ada", superuser=True)
    client, guest = signed_in(user), make_guest(host, "web-1")
    operation(guest, "pause", "done", asked_by=user)
    operation(guest, "resume", "running")
    operation(guest, "reboot", "queued")

    def lines(query: str) -> int:
        return client.get("/operations/" + query).content.decode().count('<li id="op-')

    assert [lines(q) for q in ("", "?state=open", "?state=done", "?kind=reboot", "?mine=1", "?state=nonsense")] == [
        3, 2, 1, 1, 1, 3,
    ]  # fmt: skip
    assert "Under way <b>2</b>" in client.get("/operations/").content.decode()


def test_the_header_counts_what_is_under_way_for_this_person(host: Host) -> None:
    mine, other = make_guest(host, "mine"), make_guest(host, "other")
    operation(mine, state="running")
    operation(other, state="waiting")
    user = person("wat")
    grant(user, Role.WATCHER, guest=mine)
    text = signed_in(user).get("/operations/?fragment=count").content.decode()
    assert 'aria-label="1 operation running"' in text and "<html" not in text


def test_others_operations_are_neither_listed_nor_found_nor_ended(host: Host) -> None:
    hidden = operation(make_guest(host, "not-yours"), state="queued")
    user = person("op")
    grant(user, Role.OPERATOR, guest=make_guest(host, "mine"))
    client = signed_in(user)
    assert "not-yours" not in client.get("/operations/").content.decode()
    assert client.get(f"/operations/{hidden.pk}/").status_code == 404
    assert client.post(f"/operations/{hidden.pk}/cancel/").status_code == 404
    hidden.refresh_from_db()
    assert not hidden.cancel_asked


def test_a_queued_operation_is_asked_to_end_and_one_that_is_over_is_not(host: Host, admin: Client) -> None:
    guest = make_guest(host, "web-1")
    queued, done = operation(guest, "reboot", "queued"), operation(guest, "reboot", "done")
    assert f"/operations/{queued.pk}/cancel/" in admin.get("/operations/").content.decode()
    assert f"/operations/{done.pk}/cancel/" not in admin.get("/operations/").content.decode()
    assert admin.post(f"/operations/{queued.pk}/cancel/").status_code == 302
    text = admin.post(f"/operations/{done.pk}/cancel/", headers={"HX-Request": "true"}).content.decode()
    assert "too late" in text
    queued.refresh_from_db()
    done.refresh_from_db()
    assert queued.cancel_asked and not done.cancel_asked


def test_a_watcher_sees_and_cannot_end(host: Host) -> None:
    guest = make_guest(host, "web-1")
    queued = operation(guest, "reboot", "queued")
    user = person("wat")
    grant(user, Role.WATCHER, guest=guest)
    client = signed_in(user)
    assert "/cancel/" not in client.get("/operations/").content.decode()
    assert client.post(f"/operations/{queued.pk}/cancel/").status_code == 403


def test_get_does_not_end_anything(host: Host, admin: Client) -> None:
    queued = operation(make_guest(host, "web-1"), state="queued")
    assert admin.get(f"/operations/{queued.pk}/cancel/").status_code == 405


def test_a_running_line_asks_again_and_one_that_is_over_does_not(host: Host, admin: Client) -> None:
    guest = make_guest(host, "web-1")
    running, done = operation(guest, state="running"), operation(guest)
    for path in ("/operations/{}/", "/operations/{}/?as=line"):
        headers = {"HX-Request": "true"}
        assert "data-live=" in admin.get(path.format(running.pk), headers=headers).content.decode()
        assert "data-live=" not in admin.get(path.format(done.pk), headers=headers).content.decode()


def test_pages_of_fifty_and_queries_that_do_not_grow(host: Host, admin: Client) -> None:
    operation(make_guest(host, "first"), state="running")

    def queries() -> int:
        admin.get("/operations/")
        with CaptureQueriesContext(connection) as captured:
            admin.get("/operations/")
        return len(captured)

    few = queries()
    for number in range(60):
        operation(make_guest(host, f"g-{number}"), state="running" if number % 2 else "done")
    assert queries() == few
    assert admin.get("/operations/").content.decode().count('<li id="op-') == 50
    assert admin.get("/operations/?page=2").content.decode().count('<li id="op-') == 11


def test_no_operation_yet_says_what_will_stand_here(admin: Client) -> None:
    assert "Nothing was asked yet" in admin.get("/operations/").content.decode()
    assert "Show all operations" in admin.get("/operations/?state=failed").content.decode()
