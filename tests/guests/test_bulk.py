"""Acts on several guests at once: all or nothing, one line for each."""

from __future__ import annotations

import pytest
from django.test import Client

from guests.access.models import Role
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest, Host
from guests.operations.models import Operation
from guests.views import bulk
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_worker_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "WAIT_S", 0.0)


@pytest.fixture
def host() -> Host:
    return make_host()


@pytest.fixture
def admin() -> Client:
    return signed_in(person("ada", superuser=True))


def post(client: Client, kind: str, guests: list[Guest], **more: str) -> object:
    return client.post("/guests/bulk/", {"kind": kind, "guest": [str(g.pk) for g in guests], "key": "form-1", **more})


def test_asks_one_operation_for_each_guest_that_the_act_fits_and_says_why_not_for_others(
    host: Host, admin: Client
) -> None:
    running, off = make_guest(host, "running"), make_guest(host, "off", state="shut-off")
    response = admin.post(
        "/guests/bulk/",
        {"kind": "shut_down", "guest": [str(running.pk), str(off.pk)], "key": "k"},
        headers={"HX-Request": "true"},
    )
    text = response.content.decode()
    operation = Operation.objects.get()
    assert (operation.guest, operation.kind, operation.before) == (running, "shut_down", {"state": "running"})
    assert f"operation-{operation.pk}" in text and "nothing to do: it is shut off" in text


def test_a_form_that_is_sent_twice_asks_once_and_another_act_asks_again(host: Host, admin: Client) -> None:
    guest = make_guest(host, "web-1")
    post(admin, "reboot", [guest])
    post(admin, "reboot", [guest])
    assert Operation.objects.count() == 1
    post(admin, "pause", [guest])
    post(admin, "reboot", [guest], key="form-2")
    assert Operation.objects.count() == 3


def test_one_forbidden_member_and_nothing_is_done(host: Host) -> None:
    user = person("op")
    mine, seen, hidden = (make_guest(host, name) for name in ("mine", "seen", "hidden"))
    grant(user, Role.OPERATOR, guest=mine)
    grant(user, Role.WATCHER, guest=seen)
    client = signed_in(user)
    assert post(client, "shut_down", [mine, seen]).status_code == 403  # type: ignore[attr-defined]
    assert post(client, "shut_down", [mine, hidden]).status_code == 404  # type: ignore[attr-defined]
    assert not Operation.objects.exists()
    assert AuditRecord.objects.filter(outcome="denied", guest=seen).count() == 1
    assert post(client, "shut_down", [mine]).status_code == 302  # type: ignore[attr-defined]
    assert Operation.objects.get().guest == mine


def test_a_row_acts_on_its_own_guest_whatever_is_ticked(host: Host, admin: Client) -> None:
    ticked, own = make_guest(host, "ticked"), make_guest(host, "own")
    admin.post("/guests/bulk/", {"act": f"pause:{own.pk}", "guest": [str(ticked.pk)], "key": "k"})
    assert Operation.objects.get().guest == own


@pytest.mark.parametrize("kind", ["discard_saved", "set_vcpus", "", "nonsense"])
def test_refuses_kinds_that_are_not_for_many(host: Host, admin: Client, kind: str) -> None:
    assert post(admin, kind, [make_guest(host, "web-1")]).status_code == 400  # type: ignore[attr-defined]
    assert not Operation.objects.exists()


def test_refuses_what_is_no_id_and_a_get(admin: Client) -> None:
    assert admin.post("/guests/bulk/", {"kind": "start", "guest": "x"}).status_code == 400
    assert admin.get("/guests/bulk/").status_code == 405


def test_refuses_a_form_without_its_token(host: Host) -> None:
    client = Client(enforce_csrf_checks=True, HTTP_HOST="127.0.0.1")
    client.force_login(person("ada", superuser=True), backend="allauth.account.auth_backends.AuthenticationBackend")
    response = post(client, "start", [make_guest(host, "off", state="shut-off")])
    assert response.status_code == 403 and "out of date" in response.content.decode()  # type: ignore[attr-defined]
    assert not Operation.objects.exists()


def test_nothing_selected_says_so_and_goes_back_only_to_this_site(admin: Client) -> None:
    response = admin.post("/guests/bulk/", {"kind": "start", "next": "https://evil.example/"}, follow=True)
    assert response.redirect_chain == [("/guests/", 302)]
    assert "Select at least one guest" in response.content.decode()


def test_a_privileged_guest_is_left_alone(host: Host, admin: Client) -> None:
    post(admin, "shut_down", [make_guest(host, "Domain-0", privileged=True)])
    assert not Operation.objects.exists()


def test_force_off_asks_first_and_names_the_guests(host: Host, admin: Client) -> None:
    web, off = make_guest(host, "web-1"), make_guest(host, "off-1", state="shut-off")
    text = post(admin, "force_off", [web, off]).content.decode()  # type: ignore[attr-defined]
    assert "Force off 1 guest?" in text and "web-1" in text and "off-1" not in text
    assert not Operation.objects.exists()
    post(admin, "force_off", [web], sure="1")
    assert [(o.kind, o.guest) for o in Operation.objects.all()] == [("force_off", web)]
