"""vCPUs in depth through their page: a worker serves libvirt's test driver, and libvirt is asked what happened."""

# ruff: noqa: F811 (fixtures of the worker are imported by name)
from __future__ import annotations

from xml.etree import ElementTree

import libvirt
import pytest
from django.contrib.auth.models import User
from django.test import Client

from guests.access.models import Role
from guests.inventory.cpus import HostCPUs
from guests.operations.models import Operation
from guests.views.operation_words import describe
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in
from tests.guests.worker.conftest import RunningWorker, admin, domain, row, start_worker, until, worker  # noqa: F401

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def client(admin: User) -> Client:
    return signed_in(admin)


def send(client: Client, guest: str, what: str, status: int = 200, /, **form: str) -> str:
    response = client.post(f"/guests/{row(guest).pk}/tuning/{what}/", form, follow=True)
    assert response.status_code == status, response.content.decode()
    return " ".join(response.content.decode().split())


def definition(worker: RunningWorker, guest: str) -> ElementTree.Element:
    return ElementTree.fromstring(domain(worker, guest).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))


def test_vcpus_are_pinned_now_and_at_the_next_boot(worker: RunningWorker, client: Client) -> None:
    until(lambda: HostCPUs.objects.exists())
    text = send(client, "web-1", "pinning", vcpu_0="1", emulator="", when="both")
    assert "web-1: it was saved." in text
    assert domain(worker, "web-1").vcpus()[1][0][:2] == (False, True)
    pins = definition(worker, "web-1").findall("cputune/vcpupin")
    assert [(pin.get("vcpu"), pin.get("cpuset")) for pin in pins] == [("0", "1")]
    operation = Operation.objects.get(kind="pin_vcpus")
    assert (operation.before, operation.after["next_boot_pins"]) == ({"pins": {}}, {"0": "1"})
    assert (describe(operation).before, describe(operation).wanted) == ("", "vCPU 0: 1")


def test_a_cpu_that_the_host_lacks_is_refused_at_its_field(worker: RunningWorker, client: Client) -> None:
    until(lambda: HostCPUs.objects.exists())
    assert "The host has no CPU 3999" in send(client, "web-1", "pinning", 422, vcpu_0="3999", when="boot")
    text = send(client, "web-1", "pinning", 422, vcpu_0="one", when="boot")
    assert "Name CPUs of the host like this" in text
    assert 'value="one"' in text
    assert not Operation.objects.exists()


def test_the_topology_makes_the_maximum_of_vcpus(worker: RunningWorker, client: Client) -> None:
    text = send(client, "web-1", "topology", 422, sockets="1", cores="3", threads="1")
    assert "Sockets × cores × threads is 3, and must be the maximum of 4 vCPUs." in text
    assert "from the next boot on" in send(client, "web-1", "topology", sockets="1", cores="2", threads="2")
    topology = definition(worker, "web-1").find("cpu/topology")
    assert topology is not None
    assert (topology.get("sockets"), topology.get("cores"), topology.get("threads")) == ("1", "2", "2")
    operation = Operation.objects.get(kind="set_topology")
    assert operation.after["from"]["cores"] == 0
    assert (describe(operation).wanted, describe(operation).where) == ("1 × 2 × 2", "at next boot")
    send(client, "web-1", "topology", sockets="", cores="", threads="")
    assert definition(worker, "web-1").find("cpu/topology") is None


def test_a_fixed_topology_keeps_the_maximum_of_vcpus(worker: RunningWorker, client: Client) -> None:
    send(client, "off-1", "topology", sockets="2", cores="2", threads="1")
    response = client.post(
        f"/guests/{row('off-1').pk}/vcpus/", {"current": "1", "maximum": "3", "keep": "on"}, follow=True
    )
    assert "its topology" in response.content.decode()
    assert row("off-1").next_boot_vcpus_maximum == 4


def test_the_model_is_one_of_the_list(worker: RunningWorker, client: Client) -> None:
    send(client, "off-1", "model", processor="host-passthrough")
    cpu = definition(worker, "off-1").find("cpu")
    assert cpu is not None
    assert cpu.get("mode") == "host-passthrough"
    send(client, "off-1", "model", 422, processor="custom:<script>")


def test_a_weight_is_set_at_once_where_the_driver_has_one(worker: RunningWorker, client: Client) -> None:
    assert "it was saved" in send(client, "web-1", "scheduling", weight="77", when="now")
    operation = Operation.objects.get(kind="set_scheduling")
    assert operation.state == "done"
    line = describe(operation)
    assert (line.before, line.wanted, line.where) == ("Weight 50", "Weight 77", "until next boot")
    assert "Type a weight or a cap." in send(client, "web-1", "scheduling", 422, weight="", when="now")
    send(client, "web-1", "scheduling", 422, weight="0", when="now")
    send(client, "off-1", "scheduling", 404, weight="77", when="now")  # nothing that runs could be weighed


@pytest.mark.django_db
def test_only_administrators_tune() -> None:
    guest = make_guest(make_host(driver="QEMU"), "web-1")
    olga = person("olga")
    client = signed_in(olga)
    url = f"/guests/{guest.pk}/tuning/"
    assert client.get(url).status_code == 404
    held = grant(olga, Role.OPERATOR, guest=guest)
    assert client.get(url).status_code == 403
    assert client.post(f"{url}pinning/", {"vcpu_0": "0", "when": "both"}).status_code == 403
    held.role = Role.ADMINISTRATOR
    held.save()
    text = client.get(url).content.decode()
    assert "Cap of each vCPU" in text
    assert "Topology" in text


@pytest.mark.django_db
def test_what_the_driver_of_xen_cannot_do_is_not_offered() -> None:
    guest = make_guest(make_host(driver="Xen"), "web-1")
    client = signed_in(person("admin", superuser=True))
    text = client.get(f"/guests/{guest.pk}/tuning/").content.decode()
    assert "cannot pin vCPUs" in text
    assert "Usual: 256." in text
    assert "Topology" not in text
    assert client.post(f"/guests/{guest.pk}/tuning/pinning/", {}).status_code == 404
