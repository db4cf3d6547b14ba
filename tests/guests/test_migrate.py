"""The page that migrates a guest: which hosts are offered, why not the others, who may. tests/live has the rest."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from guests.access.models import Role
from guests.inventory.definition_json import definition_to_json
from guests.inventory.models import Guest, Host, HostState
from guests.operations import ask, new_key
from guests.operations.models import Operation
from tests.guests.inventory.values import definition
from tests.guests.inventory_rows import GIB, grant, make_guest, make_host, person, signed_in

pytestmark = pytest.mark.django_db


def qemu(name: str, **changes: object) -> Host:
    return make_host(
        name, **({"uri": f"qemu+ssh://{name}/system", "driver": "QEMU", "architecture": "x86_64"} | changes)
    )


@pytest.fixture
def web() -> Guest:
    return make_guest(qemu("alpha"), "web-1", definition=definition_to_json(definition()))  # with a disk


@pytest.fixture
def admin(web: Guest) -> Client:
    return signed_in(person("ana", superuser=True))


def page(client: Client, guest: Guest, status: int = 200, **form: str) -> str:
    url = f"/guests/{guest.pk}/migrate/"
    response = client.post(url, form) if form else client.get(url)
    assert response.status_code == status, response.content.decode()[:2000]
    return " ".join(response.content.decode().split())


def offered(text: str, host: str) -> bool:
    radio = text[text.index(f'value="{host}"') :]
    return "disabled" not in radio[: radio.index(">")]


def test_hosts_that_fit_are_offered_the_others_say_why_not(web: Guest, admin: Client) -> None:
    qemu("beta")
    qemu("full", free_memory_kib=GIB)
    qemu("silent", state=HostState.UNREACHABLE)
    qemu("other", driver="Xen")
    qemu("arm", architecture="aarch64")
    qemu("gone", enabled=False)
    make_guest(qemu("named"), "web-1")
    make_guest(qemu("twin"), "web-2", uuid=web.uuid)
    text = page(admin, web)
    reasons = {
        "full": "It has 1.0 GiB of memory free, and web-1 has 2.0 GiB.",
        "silent": "It does not answer.",
        "other": "It runs Xen guests, web-1 is one of QEMU.",
        "arm": "Its processors are of another kind: aarch64.",
        "named": "It has another guest of the name web-1.",
        "twin": "A guest of the same UUID runs there.",
    }
    assert offered(text, "beta")
    for host, why in reasons.items():
        assert not offered(text, host), host
        assert why in text
    assert 'value="gone"' not in text and 'value="alpha"' not in text
    assert "web-1 runs on while its 2.0 GiB of memory go over" in text


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"key": ""}, "Choose where it goes."),
        ({"to": "alpha"}, "There is no such host."),
        ({"to": "nowhere"}, "There is no such host."),
        ({"to": "silent"}, "It does not answer."),
    ],
)
def test_what_does_not_fit_is_refused_at_the_field(
    web: Guest, admin: Client, form: dict[str, str], sentence: str
) -> None:
    qemu("silent", state=HostState.UNREACHABLE)
    assert sentence in page(admin, web, 422, **form)
    assert not Operation.objects.exists()


def test_a_guest_that_is_off_goes_only_where_its_disks_are(web: Guest, admin: Client) -> None:
    qemu("beta")
    Guest.objects.update(state="shut-off", domain_id=None)
    assert "Copy its disks" not in page(admin, web)
    assert "Its disks do not go along" in page(admin, web, 422, to="beta")


@pytest.mark.parametrize("state", ["crashed", "in-shutdown", "pmsuspended"])
def test_a_state_in_which_it_cannot_go_is_said(web: Guest, admin: Client, state: str) -> None:
    Guest.objects.update(state=state)
    text = page(admin, web)
    assert "can be migrated while it runs, is paused or is shut off" in text and "<form" in text
    assert 'name="to"' not in text


def test_the_test_driver_and_domain_0_are_not_migrated(admin: Client) -> None:
    assert "cannot migrate guests" in page(admin, make_guest(make_host("test"), "web-9"))
    assert "is its host" in page(admin, make_guest(qemu("xen"), "Domain-0", privileged=True))


def test_only_administrators_of_the_guest_see_the_form(web: Guest) -> None:
    operator, stranger = person("rui"), person("eva")
    grant(operator, Role.OPERATOR)
    page(signed_in(operator), web, 403)
    page(signed_in(stranger), web, 404)
    assert "/migrate/" not in signed_in(operator).get(f"/guests/{web.pk}/").content.decode()


def test_a_right_on_the_guest_is_none_on_the_other_host(web: Guest) -> None:
    beta = qemu("beta")
    user = person("ivo")
    grant(user, Role.ADMINISTRATOR, host=web.host)
    grant(user, Role.WATCHER, host=beta)
    client = signed_in(user)
    text = page(client, web)
    assert not offered(text, "beta") and "You may not bring guests here." in text
    page(client, web, 422, to="beta")
    with pytest.raises(Exception, match="You may not bring guests to beta"):
        ask("migrate", web, by=user, key=new_key(), parameters={"to": "beta"})
    assert not Operation.objects.exists()


def test_what_is_asked_names_both_hosts(web: Guest, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guests.forms.asking_form.WAIT_SECONDS", 0.0)
    qemu("beta")
    response = admin.post(f"/guests/{web.pk}/migrate/", {"to": "beta", "copy_storage": "on", "key": "k1"}, follow=True)
    text = " ".join(response.content.decode().split())
    assert "web-1 is on its way to beta." in text
    operation = Operation.objects.get()
    assert operation.before == {"host": "alpha", "state": "running"}
    assert operation.parameters == {"to": "beta", "copy_storage": True, "slow_down": False, "shared": False}
    Operation.objects.update(
        state="running", progress_done=512 * 1024**2, progress_total=2048 * 1024**2, progress_rate=128 * 1024**2
    )
    text = " ".join(admin.get(f"/guests/{web.pk}/").content.decode().split())
    assert "Migrate: alpha → beta" in text and 'value="25"' in text
    assert "512.0 MiB of 2.0 GiB, 128.0 MiB/s, 12 s left" in text and f"/operations/{operation.pk}/cancel/" in text


def test_the_queries_do_not_grow_with_the_hosts(
    web: Guest, admin: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:

    qemu("beta")
    page(admin, web)  # the first one after a sign-in writes the session
    with CaptureQueriesContext(connection) as few:
        page(admin, web)
    for number in range(8):
        make_guest(qemu(f"more-{number}"), f"guest-{number}")
    with django_assert_num_queries(len(few)):
        page(admin, web)
