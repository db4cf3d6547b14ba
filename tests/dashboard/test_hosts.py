"""The hosts pages: what hosts have, what guests hold of it, how the worker is, and for whom."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from guests.access.models import Role
from guests.inventory.models import HostLease, HostState
from guests.operations.host_starts import HostBoot, StartPlace
from guests.operations.models import Operation
from tests.guests.inventory_rows import GIB, grant, make_guest, make_host, person, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_worker_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guests.forms.start_order_form.WAIT_SECONDS", 0.0)


@pytest.fixture
def admin() -> Client:
    return signed_in(person("ada", superuser=True))


def test_a_host_shows_memory_cpus_version_worker_and_guests(admin: Client) -> None:
    host = make_host(
        driver="QEMU", hypervisor_version="7.2.0", libvirt_version="9.0.0", cpu_model="EPYC", tick_ms=38, tick_s=2.0
    )
    HostLease.objects.create(
        host=host, owner="worker@ops-1", epoch=3, expires_at=timezone.now() + timedelta(seconds=25)
    )
    make_guest(host, "web-1", current_kib=2 * GIB, maximum_kib=4 * GIB, usable_kib=GIB, vcpus_current=3)
    make_guest(host, "db-1", current_kib=4 * GIB, maximum_kib=8 * GIB, usable_kib=GIB, vcpus_current=5)
    make_guest(host, "off", state="shut-off", maximum_kib=64 * GIB)
    text = admin.get("/hosts/kvm-01/").content.decode()
    for shown in (
        "Answers", "QEMU 7.2.0", "libvirt 9.0.0", "took 38 ms", "worker@ops-1", "ends in 24 s", "test:///kvm-01",
        "<b>6.0 GiB</b>", "<b>12.0 GiB</b>", "<b>4.0 GiB</b>", "2.0 : 1", "8 vCPUs on 4 CPUs",
        "web-1", "db-1", "off",
    ):  # fmt: skip
        assert shown in text, shown
    assert "More is promised" not in text


def test_a_host_that_promises_more_than_it_has_says_so(admin: Client) -> None:
    make_guest(make_host(memory_kib=8 * GIB), "big", maximum_kib=16 * GIB)
    assert "More is promised than the host has" in admin.get("/hosts/kvm-01/").content.decode()


def test_a_host_that_does_not_answer_says_why_since_when_and_when_next(admin: Client) -> None:
    make_host(
        state=HostState.UNREACHABLE,
        message="connection timed out",
        detail="unable to connect to server at 'kvm-01:16509'",
        seen_at=timezone.now() - timedelta(minutes=4, seconds=2),
        next_try_at=timezone.now() + timedelta(seconds=30),
    )
    text = admin.get("/hosts/kvm-01/").content.decode()
    assert "does not answer" in text and "connection timed out" in text and "4 min ago" in text
    assert "Next try in" in text and "unable to connect to server" in text and "Silent" in text
    assert "Does not answer" in admin.get("/hosts/").content.decode()


def test_unknown_facts_are_question_marks(admin: Client) -> None:
    make_host(cpus=None, memory_kib=None, free_memory_kib=None, seen_at=None, state=HostState.CONNECTING)
    for path in ("/hosts/", "/hosts/kvm-01/"):
        text = admin.get(path).content.decode()
        assert "?" in text and "0.0 GiB" not in text and "never" in text


def test_people_see_the_hosts_of_their_guests_without_uris_and_sums_of_their_guests_only() -> None:
    host, other = make_host(detail="root@secret"), make_host("kvm-02")
    mine = make_guest(host, "mine", current_kib=2 * GIB)
    make_guest(host, "not-mine", current_kib=10 * GIB)
    make_guest(other, "elsewhere")
    user = person("wat")
    grant(user, Role.OPERATOR, guest=mine)
    client = signed_in(user)
    listed = client.get("/hosts/").content.decode()
    assert "kvm-01" in listed and "kvm-02" not in listed
    text = client.get("/hosts/kvm-01/").content.decode()
    assert "not-mine" not in text and "test:///" not in text and "root@secret" not in text and "12.0 GiB" not in text
    assert client.get("/hosts/kvm-02/").status_code == client.get("/hosts/nope/").status_code == 404


def test_no_host_says_how_to_name_one(admin: Client) -> None:
    assert "GUESTHOUSE_HOSTS" in admin.get("/hosts/").content.decode()


def test_only_safe_methods(admin: Client) -> None:
    make_host()
    assert admin.post("/hosts/").status_code == admin.post("/hosts/kvm-01/").status_code == 405


def test_a_host_shows_which_guests_start_with_it_and_an_operator_of_some_orders_those(admin: Client) -> None:
    host = make_host()
    HostBoot.objects.create(host=host, up_seconds=5, told_at=timezone.now())
    mine, other = make_guest(host, "mine", autostart=True), make_guest(host, "other", autostart=True)
    new = make_guest(host, "new", state="shut-off")
    StartPlace.objects.create(guest=other, place=4, wait_seconds=30)
    text = " ".join(admin.get("/hosts/kvm-01/").content.decode().split())
    assert "30 s" in text and "at once" in text and "/hosts/kvm-01/starts/" in text
    user = person("op")
    for guest in (mine, new):
        grant(user, Role.OPERATOR, guest=guest)
    grant(user, Role.WATCHER, guest=other)
    client = signed_in(user)
    form = client.get("/hosts/kvm-01/starts/").content.decode()
    assert f"place-{mine.pk}" in form and f"place-{other.pk}" not in form
    typed = {f"place-{mine.pk}": "1", f"wait-{mine.pk}": "20", f"place-{other.pk}": "2", "add": str(new.pk), "key": "k"}
    refused = client.post("/hosts/kvm-01/starts/", typed)
    assert refused.status_code == 422 and "Give it a number." in refused.content.decode()
    assert client.post("/hosts/kvm-01/starts/", {**typed, "add": str(other.pk)}).status_code == 422
    assert not Operation.objects.exists()
    for _ in range(2):  # a form that is sent twice asks once
        assert client.post("/hosts/kvm-01/starts/", {**typed, "place-add": "3"}).status_code == 302
    asked = {o.guest: (o.kind, o.parameters, o.before) for o in Operation.objects.all()}
    before = {"place": None, "wait_seconds": 0, "autostart": True}
    assert asked == {
        mine: ("set_start_order", {"place": 1, "wait_seconds": 20}, before),
        new: ("set_start_order", {"place": 3, "wait_seconds": 0}, before | {"autostart": False}),
    }
    watcher = person("watcher")
    grant(watcher, Role.WATCHER, host=host)
    assert "/starts/" not in signed_in(watcher).get("/hosts/kvm-01/").content.decode()
    assert signed_in(watcher).get("/hosts/kvm-01/starts/").status_code == 403
    assert signed_in(person("nobody")).get("/hosts/kvm-01/starts/").status_code == 404
