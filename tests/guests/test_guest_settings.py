"""The tab "Settings": a worker serves libvirt's test driver, and libvirt is asked what happened."""

# ruff: noqa: F811 (fixtures of the worker are imported by name)
from __future__ import annotations

import libvirt
import pytest
from django.contrib.auth.models import User
from django.test import Client

from guests.access.models import Role
from guests.operations import ask, new_key, wait_for_end
from guests.operations.models import Operation
from tests.guests.inventory_rows import grant, person, signed_in
from tests.guests.worker.conftest import RunningWorker, admin, domain, row, start_worker, until, worker  # noqa: F401

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def client(admin: User) -> Client:
    return signed_in(admin)


def save(client: Client, guest: str, what: str, status: int = 200, /, **form: str) -> str:
    url = f"/guests/{row(guest).pk}/settings/{what}/"
    response = client.post(url, form, follow=True)
    assert response.status_code == status, response.content.decode()
    return " ".join(response.content.decode().split())


def test_it_starts_with_its_host_or_not(worker: RunningWorker, client: Client) -> None:
    assert "web-1: it was saved." in save(client, "web-1", "autostart", autostart="on")
    assert domain(worker, "web-1").autostart() == 1
    assert row("web-1").autostart
    operation = Operation.objects.get()
    assert (operation.before, operation.after) == ({"autostart": False}, {"autostart": True})
    save(client, "web-1", "autostart")
    assert domain(worker, "web-1").autostart() == 0


def test_title_and_description_hold_now_and_at_the_next_boot(worker: RunningWorker, client: Client) -> None:
    text = save(client, "web-1", "description", title="Shop", description="line 1\r\nline 2 <b>")
    assert "line 2 &lt;b&gt;" in text
    found = domain(worker, "web-1")
    for flag in (libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG):
        assert found.metadata(libvirt.VIR_DOMAIN_METADATA_TITLE, None, flag) == "Shop"
        assert found.metadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, None, flag) == "line 1\nline 2 <b>"
    assert row("web-1").definition["description"] == "line 1\nline 2 <b>"
    save(client, "web-1", "description", title="", description="")
    assert row("web-1").definition["title"] == ""


def test_what_changed_meanwhile_is_not_written_over(worker: RunningWorker, client: Client) -> None:
    target = libvirt.VIR_DOMAIN_AFFECT_LIVE
    domain(worker, "web-1").setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "Theirs", None, None, target)
    by = User.objects.get(username="admin")
    parameters, before = {"title": "Mine", "description": ""}, {"title": "", "description": ""}
    operation = ask("describe", row("web-1"), by=by, key=new_key(), parameters=parameters, before=before)
    wait_for_end(operation, 10)
    assert (operation.state, operation.field) == ("failed", "title")
    assert operation.message == "This changed since you opened the form."


def test_the_boot_order_holds_from_the_next_boot(worker: RunningWorker, client: Client) -> None:
    text = save(client, "web-1", "boot", **{"device-0": "2", "device-1": "1"})
    assert "web-1: it was saved." in text
    mac = row("web-1").macs
    assert row("web-1").next_boot is not None
    assert row("web-1").next_boot["boot_order"] == [f"nic:{mac}", "disk:vda"]  # type: ignore[index]
    xml = domain(worker, "web-1").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert "order='1'" in xml.replace('"', "'")
    assert "Two devices have the same number." in save(
        client, "web-1", "boot", 422, **{"device-0": "1", "device-1": "1"}
    )
    assert "Give at least one device a number." in save(client, "web-1", "boot", 422, **{"device-0": ""})


@pytest.mark.parametrize(("name", "sentence"), [("", "required"), ("a/b", "slashes"), ("off-1", "its name already")])
def test_a_name_that_cannot_be_is_refused_at_the_field(
    worker: RunningWorker, client: Client, name: str, sentence: str
) -> None:
    assert sentence in save(client, "off-1", "name", 422, name=name)
    assert not Operation.objects.exists()


def test_a_guest_that_runs_keeps_its_name(worker: RunningWorker, client: Client) -> None:
    assert "web-1 runs: it can be renamed while it is shut off." in save(client, "web-1", "name", 422, name="web-2")


def test_who_may_change_what(worker: RunningWorker) -> None:
    watcher, operator = person("eva"), person("rui")
    grant(watcher, Role.WATCHER)
    grant(operator, Role.OPERATOR)
    for user, offered, refused in (
        (watcher, [], ["name", "description", "autostart", "boot"]),
        (operator, ["description", "autostart"], ["name", "boot"]),
    ):
        page = signed_in(user).get(f"/guests/{row('off-1').pk}/settings/").content.decode()
        assert all(f"/settings/{what}/" in page for what in offered)
        assert not any(f"/settings/{what}/" in page for what in refused)
        for what in refused:
            save(signed_in(user), "off-1", what, 403, name="x")
    assert signed_in(person("nobody")).get(f"/guests/{row('off-1').pk}/settings/").status_code == 404
    assert signed_in(operator).get(f"/guests/{row('off-1').pk}/settings/name/").status_code == 405
