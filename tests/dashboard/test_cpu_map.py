"""The CPU map of a host: what runs where, by name only for who may see it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from guests.access.models import Role
from guests.inventory.cpus import HostCPUs, VCPUFigures
from guests.inventory.models import Guest, Host
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in

pytestmark = pytest.mark.django_db


def figures(guest: Guest, *vcpus: tuple[int, int, int, int]) -> None:
    """(vCPU, CPU, runs %, waits %)."""
    told = [
        {"number": number, "state": "running", "cpu": cpu, "run_percent": runs, "wait_percent": waits}
        for number, cpu, runs, waits in vcpus
    ]
    VCPUFigures.objects.create(guest=guest, looked_at=timezone.now(), taken_at=timezone.now(), vcpus=told)


def pinned(vcpu: int, cpus: str) -> dict[str, Any]:
    return {"tuning": {"pins": [{"vcpu": vcpu, "cpus": cpus}]}}


@pytest.fixture
def host() -> Host:
    host = make_host(driver="QEMU", cpus=4)
    cpus = [{"number": number, "node": number // 2, "socket": number // 2, "core": number % 2} for number in range(4)]
    HostCPUs.objects.create(host=host, cpus=cpus)
    return host


@pytest.fixture
def admin() -> Client:
    return signed_in(person("admin", superuser=True))


def test_each_cpu_says_what_runs_on_it_and_what_is_pinned_to_it(host: Host, admin: Client) -> None:
    web = make_guest(host, "web-1", definition=pinned(0, "1-2"))
    figures(web, (0, 1, 40, 7), (1, 3, 5, 0))
    text = " ".join(admin.post("/hosts/kvm-01/cpus/now/").content.decode().split())
    assert "NUMA node 1, socket 1" in text
    rows = text.split('<th scope="row"')[1:]
    assert 'web-1</a> vCPU 0 <b class="num">40 %</b>' in rows[1]
    assert "pinned" in rows[1]
    assert "web-1 vCPU 0" in rows[2]  # it may run there, too
    assert "vCPU 1" in rows[3]
    assert ">0 %<" in rows[0]
    assert "<html" not in text


def test_guests_that_one_may_not_see_are_counted(host: Host) -> None:
    web, secret = make_guest(host, "web-1"), make_guest(host, "secret-1", definition=pinned(0, "0"))
    figures(web, (0, 1, 40, 0))
    figures(secret, (0, 1, 25, 0), (1, 1, 10, 0))
    olga = person("olga")
    client = signed_in(olga)
    assert client.get("/hosts/kvm-01/cpus/").status_code == 404
    assert client.post("/hosts/kvm-01/cpus/now/").status_code == 404
    grant(olga, Role.WATCHER, guest=web)
    text = client.get("/hosts/kvm-01/cpus/").content.decode()
    assert "web-1" in text
    assert "2 vCPUs of others, 35 %" in text
    assert "secret-1" not in text


def test_figures_of_long_ago_are_unknown(host: Host, admin: Client) -> None:
    figures(make_guest(host, "web-1"), (0, 1, 40, 0))
    VCPUFigures.objects.update(taken_at=timezone.now() - timedelta(minutes=5))
    text = admin.get("/hosts/kvm-01/cpus/").content.decode()
    assert "Not read yet." in text
    assert "web-1" not in text


def test_a_host_of_many_cpus_is_several_tables_and_no_more_queries(
    host: Host, admin: Client, django_assert_max_num_queries: Any
) -> None:
    HostCPUs.objects.update(
        cpus=[{"number": n, "node": n // 64, "socket": n // 64, "core": n % 64} for n in range(128)]
    )
    for number in range(20):
        figures(make_guest(host, f"web-{number}"), *((vcpu, (5 * number + vcpu) % 128, 10, 1) for vcpu in range(4)))
    with django_assert_max_num_queries(15):
        text = admin.get("/hosts/kvm-01/cpus/").content.decode()
    assert text.count("<caption>") == 8
    assert "web-19" in text
