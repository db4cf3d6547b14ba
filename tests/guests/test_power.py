"""Power through the page: a worker serves libvirt's test driver, and libvirt is asked what happened."""

# ruff: noqa: F811 (fixtures of the worker are imported by name)
from __future__ import annotations

import libvirt
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import escape

from guests.access.models import Role
from guests.inventory.models import Guest
from guests.operations.models import Operation
from guests.views import power
from guests.views.power_acts import ACTS, FITTING
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in
from tests.guests.worker.conftest import RunningWorker, admin, domain, row, start_worker, until, worker  # noqa: F401

pytestmark = pytest.mark.timeout(60)
RUNNING, PAUSED, OFF = libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_SHUTOFF


@pytest.fixture
def client(admin: User) -> Client:
    return signed_in(admin)


def ask(client: Client, name: str, kind: str, key: str = "", **headers: str) -> str:
    response = client.post(f"/guests/{row(name).pk}/power/{kind}/", {"key": key}, headers=headers, follow=True)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def state(worker: RunningWorker, name: str) -> int:
    return int(domain(worker, name).state()[0])


def test_pauses_and_resumes(worker: RunningWorker, client: Client) -> None:
    assert "web-1: Pause is done." in ask(client, "web-1", "pause")
    assert state(worker, "web-1") == PAUSED and row("web-1").state == "paused"
    assert "web-1: Resume is done." in ask(client, "web-1", "resume")
    assert state(worker, "web-1") == RUNNING


def test_starts_shuts_down_and_forces_off(worker: RunningWorker, client: Client) -> None:
    ask(client, "off-1", "start")
    assert state(worker, "off-1") == RUNNING
    ask(client, "off-1", "shut_down")
    until(lambda: state(worker, "off-1") == OFF)
    ask(client, "web-1", "force_off")
    assert state(worker, "web-1") == OFF and row("web-1").state == "shut-off"


def test_htmx_gets_the_header_with_what_fits_now(worker: RunningWorker, client: Client) -> None:
    text = ask(client, "web-1", "pause", **{"HX-Request": "true"})
    assert "<html" not in text and 'id="guest-header" hx-swap-oob="true"' in text
    assert "/power/resume/" in text and "/power/shut_down/" not in text and 'id="messages"' in text


def test_what_does_not_fit_is_said_and_not_asked(worker: RunningWorker, client: Client) -> None:
    assert "does not fit" in ask(client, "web-1", "start")
    assert Operation.objects.count() == 0 and state(worker, "web-1") == RUNNING


def test_the_same_button_pressed_twice_is_one_operation(worker: RunningWorker, client: Client) -> None:
    ask(client, "web-1", "reboot", key="one")
    ask(client, "web-1", "reboot", key="one")
    assert Operation.objects.count() == 1


def test_a_failure_is_said_in_a_sentence(
    worker: RunningWorker, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "fitting_acts", lambda guest: tuple(ACTS))  # a page that knows no better
    text = ask(client, "web-1", "start")
    operation = Operation.objects.get()
    assert operation.state == "failed" and operation.message
    assert f"<span>{escape(operation.message)}</span>" in text and state(worker, "web-1") == RUNNING


@pytest.fixture
def guest(db: None, monkeypatch: pytest.MonkeyPatch) -> Guest:
    """A guest that nobody serves."""
    monkeypatch.setattr(power, "WAIT_SECONDS", 0.0)
    return make_guest(make_host(), "web-1")


@pytest.mark.parametrize("kind", ACTS)
def test_refuses_to_act_by_reading(guest: Guest, kind: str) -> None:
    assert signed_in(person("ada", superuser=True)).get(f"/guests/{guest.pk}/power/{kind}/").status_code == 405


@pytest.mark.parametrize("kind", ACTS)
def test_refuses_a_watcher_and_hides_from_a_stranger(guest: Guest, kind: str) -> None:
    ben = person("ben")
    grant(ben, Role.WATCHER)
    assert signed_in(ben).post(f"/guests/{guest.pk}/power/{kind}/").status_code == 403
    assert signed_in(person("eve")).post(f"/guests/{guest.pk}/power/{kind}/").status_code == 404
    assert Operation.objects.count() == 0


@pytest.mark.parametrize("kind", ["delete", "set_current_memory", "undefine"])
def test_there_are_no_other_acts(guest: Guest, kind: str) -> None:
    assert signed_in(person("ada", superuser=True)).post(f"/guests/{guest.pk}/power/{kind}/").status_code == 404


def test_an_operator_may_and_what_takes_long_is_shown_as_under_way(guest: Guest) -> None:
    cleo = person("cleo")
    grant(cleo, Role.OPERATOR, guest=guest)
    client = signed_in(cleo)
    text = client.post(f"/guests/{guest.pk}/power/shut_down/", {"key": "k"}, follow=True).content.decode()
    assert "is under way" in text and "Shut down: queued" in " ".join(text.split())
    assert Operation.objects.get().asked_by == cleo


def test_nothing_is_asked_of_domain_0(guest: Guest) -> None:
    Guest.objects.update(privileged=True)
    client = signed_in(person("ada", superuser=True))
    assert "does not fit" in client.post(f"/guests/{guest.pk}/power/force_off/", follow=True).content.decode()
    assert Operation.objects.count() == 0


def test_force_off_asks_first_and_names_the_guest(guest: Guest) -> None:
    text = signed_in(person("ada", superuser=True)).get(f"/guests/{guest.pk}/").content.decode()
    assert '<h2 id="force-off-heading">Force off web-1?</h2>' in text and 'commandfor="force-off"' in text


def test_every_act_fits_some_state() -> None:
    saved = {"discard_saved"}  # of a guest that is saved to disk
    assert {kind for kinds in FITTING.values() for kind in kinds} == set(ACTS) - saved
