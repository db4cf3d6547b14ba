"""vCPUs through their form: a worker serves libvirt's test driver, and libvirt is asked what happened."""

# ruff: noqa: F811 (fixtures of the worker are imported by name)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt
import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from guests.inventory.models import Guest
from guests.operations.models import Operation
from tests.guests.inventory_rows import make_guest, make_host, person, signed_in
from tests.guests.worker.conftest import RunningWorker, admin, domain, row, start_worker, until, worker  # noqa: F401

pytestmark = pytest.mark.timeout(60)
Send = Callable[..., HttpResponse]


def counts(worker: RunningWorker, name: str) -> tuple[int, int, int]:
    """Live, next boot and the next boot's maximum, as libvirt tells them."""
    found = domain(worker, name)
    config = libvirt.VIR_DOMAIN_AFFECT_CONFIG
    live = found.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE) if found.isActive() else 0
    return live, found.vcpusFlags(config), found.vcpusFlags(config | libvirt.VIR_DOMAIN_VCPU_MAXIMUM)


@pytest.fixture
def client(admin: User) -> Client:
    return signed_in(admin)


@pytest.fixture
def send(client: Client, worker: RunningWorker) -> Send:
    """Send the vCPU form of a guest as it is shown now."""

    def do(name: str, current: str, **more: Any) -> HttpResponse:
        guest = row(name)
        fields = {
            "current": current,
            "keep": "on",
            "key": f"key-{Operation.objects.count()}",
            "before_current": guest.vcpus_current,
            "before_maximum": guest.next_boot_vcpus_maximum,
            "before_state": guest.state,
        } | more
        return client.post(
            f"/guests/{guest.pk}/vcpus/", {key: value for key, value in fields.items() if value is not None}
        )

    return do


def text_of(response: HttpResponse) -> str:
    return " ".join(response.content.decode().split())


def test_more_come_at_once_and_stay(worker: RunningWorker, send: Send) -> None:
    assert send("web-1", "3").status_code == 302
    assert counts(worker, "web-1") == (3, 3, 4)


def test_more_can_be_for_now_only(worker: RunningWorker, send: Send) -> None:
    assert send("web-1", "3", keep=None).status_code == 302
    assert counts(worker, "web-1") == (3, 1, 4)


def test_fewer_are_set_for_the_next_boot_and_said_so(worker: RunningWorker, client: Client, send: Send) -> None:
    send("web-1", "3")
    until(lambda: row("web-1").vcpus_current == 3)
    preview = text_of(send("web-1", "2", preview="1"))
    assert "3 vCPUs stay until the next boot" in preview and "2 of 4 vCPUs; set so far: 3 of 4" in preview
    assert send("web-1", "2").status_code == 302
    assert counts(worker, "web-1") == (3, 2, 4)
    assert "data-pending" in text_of(client.get(f"/guests/{row('web-1').pk}/resources/"))


def test_fewer_for_now_only_are_refused(worker: RunningWorker, send: Send) -> None:
    send("web-1", "3")
    until(lambda: row("web-1").vcpus_current == 3)
    response = send("web-1", "2", keep=None)
    assert response.status_code == 422 and "taken away at the next boot only" in text_of(response)
    assert counts(worker, "web-1") == (3, 3, 4)


def test_a_new_maximum_holds_from_the_next_boot(worker: RunningWorker, send: Send) -> None:
    assert send("web-1", "1", maximum="8").status_code == 302
    assert counts(worker, "web-1") == (1, 1, 8)
    assert domain(worker, "web-1").maxVcpus() == 4


def test_a_guest_that_is_off_takes_both(worker: RunningWorker, send: Send) -> None:
    assert send("off-1", "6", maximum="6").status_code == 302
    assert counts(worker, "off-1") == (0, 6, 6)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("0", "at least one vCPU"),
        ("-1", "cannot be negative"),
        ("two", "Type a whole number of vCPUs"),
        ("1.5", "Type a whole number of vCPUs"),
        ("", "Type a whole number of vCPUs"),
        ("5", "More than the maximum of web-1, 4 vCPUs."),
        ("99999", "No host can give so many"),
        ("1", "Nothing would change"),
    ],
)
def test_refuses_at_the_field_and_keeps_what_was_typed(
    worker: RunningWorker, send: Send, typed: str, sentence: str
) -> None:
    response = send("web-1", typed)
    text = text_of(response)
    assert response.status_code == 422 and 'id="vcpus-current-error"' in text and sentence in text
    assert f'id="vcpus-current" value="{typed}"' in text
    assert Operation.objects.count() == 0 and counts(worker, "web-1") == (1, 1, 4)


def test_what_only_the_host_refuses_stands_at_the_field(worker: RunningWorker, send: Send) -> None:
    response = send("web-1", "1", maximum="4000")
    text = text_of(response)
    assert response.status_code == 422 and 'id="vcpus-maximum-error"' in text and 'value="4000"' in text
    assert Operation.objects.get().state == "failed" and counts(worker, "web-1") == (1, 1, 4)


def test_refuses_when_virsh_changed_the_guest_since_the_form_was_opened(worker: RunningWorker, send: Send) -> None:
    response = send("web-1", "3", before_current=2)
    assert response.status_code == 422 and "changed since you opened the form" in text_of(response)
    assert counts(worker, "web-1") == (1, 1, 4)


def test_a_pending_count_is_reverted(worker: RunningWorker, client: Client, send: Send) -> None:
    send("web-1", "1", maximum="8")
    guest = until(lambda: Guest.objects.filter(name="web-1", next_boot_vcpus_maximum=8).first())
    assert client.post(f"/guests/{guest.pk}/revert/vcpus/", {"key": "r"}).status_code == 302
    assert counts(worker, "web-1") == (1, 1, 4)


@pytest.mark.django_db
def test_a_transient_guest_keeps_its_vcpus() -> None:
    guest = make_guest(make_host(), "web-1", persistent=False, next_boot_vcpus_current=None)
    client = signed_in(person("ada", superuser=True))
    response = client.post(f"/guests/{guest.pk}/vcpus/", {"current": "1"})
    assert response.status_code == 422 and "transient" in text_of(response)
    assert Operation.objects.count() == 0
