"""NICs through their pages: a worker serves libvirt's test driver, and libvirt is asked what happened."""

# ruff: noqa: F811 (fixtures of the worker are imported by name)
from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import libvirt
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.test import Client

from guests.access.models import Role
from guests.inventory.models import MACUse
from guests.inventory.networks import HostNetwork
from guests.operations import ask, new_key
from guests.operations.models import MACReservation, Operation
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in
from tests.guests.worker.conftest import RunningWorker, admin, domain, row, start_worker, until  # noqa: F401
from tests.labs.host_xml import HostXml

pytestmark = pytest.mark.timeout(60)


def nics(worker: RunningWorker, name: str = "off-1") -> list[tuple[str, str]]:
    """MAC and network of each NIC of the next boot, as libvirt tells them."""
    xml = domain(worker, name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    found = []
    for nic in ElementTree.fromstring(xml).iterfind("devices/interface"):
        mac, source = nic.find("mac"), nic.find("source")
        assert mac is not None
        assert source is not None
        found.append((mac.get("address", ""), source.get("network", "")))
    return found


@pytest.fixture
def worker(host_xml: HostXml, start_worker: Callable[..., RunningWorker]) -> RunningWorker:
    """Serves web-1 (running) and off-1 (shut off), both in the network `default`."""
    host_xml.add_network("default")
    host_xml.add_guest("web-1")
    host_xml.add_guest("off-1", running=False)
    running = start_worker({"alpha": host_xml.uri})
    until(lambda: HostNetwork.objects.filter(name="default"))
    return running


@pytest.fixture
def client(admin: User, worker: RunningWorker) -> Client:
    return signed_in(admin)


def send(client: Client, path: str, guest: str = "off-1", **fields: Any) -> HttpResponse:
    values = {"source": "network:default", "model": "virtio", "mac": "", "link_up": "on", "when": "boot"}
    values |= {"before_source": "default"} | fields
    return client.post(f"/guests/{row(guest).pk}/nics/{path}", values | {"key": f"key-{Operation.objects.count()}"})


def test_a_nic_is_added_with_a_mac_of_the_pool(client: Client, worker: RunningWorker) -> None:
    before = nics(worker)
    assert send(client, "add/", inbound="2048").status_code == 302
    (mac, network) = nics(worker)[-1]
    assert nics(worker) == [*before, (mac, "default")]
    assert mac.startswith("52:54:00:")
    assert MACReservation.objects.filter(mac=mac).exists()
    assert MACUse.objects.filter(guest=row("off-1"), mac=mac).exists()
    page = client.get(f"/guests/{row('off-1').pk}/devices/").content.decode()
    assert mac in page
    operation = Operation.objects.get(kind="add_nic")
    assert operation.after["next_boot_nics"][-1] == [mac, network]


def test_a_running_guest_keeps_its_mac_and_says_so_at_the_field(client: Client, worker: RunningWorker) -> None:
    (mac, _network) = nics(worker, "web-1")[0]
    refused = send(client, f"{mac}/", "web-1", mac="52:54:00:77:77:77", when="both")
    assert refused.status_code == 422
    text = refused.content.decode()
    assert "A running guest keeps its MACs" in text
    assert "52:54:00:77:77:77" in text  # what was typed is kept
    assert nics(worker, "web-1") == [(mac, "default")]


def test_a_duplicate_is_mended_by_another_mac_at_the_next_boot(client: Client, worker: RunningWorker) -> None:
    (mac, _network) = nics(worker)[0]
    assert send(client, f"{mac}/", mac="52:54:00:77:77:78").status_code == 302
    assert nics(worker) == [("52:54:00:77:77:78", "default")]


def test_a_mac_of_another_host_s_guest_is_refused(client: Client, worker: RunningWorker) -> None:
    far = make_guest(make_host("far"), "far-1")
    MACUse.objects.create(guest=far, mac="52:54:00:00:00:99")
    before = nics(worker)
    refused = send(client, "add/", mac="52:54:00:00:00:99")
    assert refused.status_code == 422
    assert "Another guest has this MAC already" in refused.content.decode()
    assert nics(worker) == before


@pytest.mark.parametrize(
    "fields",
    [
        {"mac": "01:00:5e:00:00:01"},
        {"mac": "fe:00:00:00:00:01"},
        {"mac": "nonsense"},
        {"source": "network:nowhere"},
        {"source": ""},
        {"model": "../../etc"},
        {"when": "never"},
        {"inbound": "-1"},
        {"outbound": "fast"},
    ],
)
def test_refused_values_are_told_and_nothing_is_added(
    client: Client, worker: RunningWorker, fields: dict[str, str]
) -> None:
    before = nics(worker)
    refused = send(client, "add/", **fields)
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in refused.content.decode()
    assert nics(worker) == before
    assert not Operation.objects.exists()


def test_a_nic_is_taken_out_of_the_next_boot(client: Client, worker: RunningWorker) -> None:
    (mac, _network) = nics(worker)[0]
    assert send(client, f"{mac}/remove/").status_code == 302
    assert nics(worker) == []
    assert not MACUse.objects.filter(guest=row("off-1")).exists()


def test_a_nic_that_changed_since_the_form_was_opened_stays_as_it_is(client: Client, worker: RunningWorker) -> None:
    (mac, _network) = nics(worker)[0]
    refused = send(client, f"{mac}/", before_source="elsewhere", model="e1000")
    assert refused.status_code == 422
    assert "changed since you opened the form" in refused.content.decode()


def test_operators_and_strangers_change_no_nic(worker: RunningWorker) -> None:
    guest = row("off-1")
    olga, nobody = person("olga"), person("nobody")
    grant(olga, Role.OPERATOR)
    before = nics(worker)
    for path in ("add/", f"{before[0][0]}/", f"{before[0][0]}/remove/"):
        assert signed_in(olga).post(f"/guests/{guest.pk}/nics/{path}").status_code == 403
        assert signed_in(nobody).post(f"/guests/{guest.pk}/nics/{path}").status_code == 404
    assert signed_in(olga).get(f"/guests/{guest.pk}/nics/add/").status_code == 403
    assert nics(worker) == before


def test_an_administrator_of_one_guest_connects_it_to_no_network_but_its_own(
    client: Client, worker: RunningWorker
) -> None:
    guest = row("off-1")
    HostNetwork.objects.create(
        host=guest.host, uuid=guest.uuid, name="secret", active=True, autostart=True, forward="isolated"
    )
    anna = person("anna")
    grant(anna, Role.ADMINISTRATOR, guest=guest)
    page = signed_in(anna).get(f"/guests/{guest.pk}/nics/add/").content.decode()
    assert "network:default" in page
    assert "secret" not in page
    nic = {"mac": "52:54:00:00:00:88", "kind": "network", "source": "secret", "model": "virtio", "target": ""}
    parameters = {"nic": nic, "live": False, "next_boot": True}
    with pytest.raises(PermissionDenied, match="networks of guests"):
        ask("add_nic", guest, by=anna, key=new_key(), parameters=parameters)
    assert len(nics(worker)) == 1


def test_a_network_that_is_closed_to_the_asker_is_refused_at_its_field(client: Client, worker: RunningWorker) -> None:
    """Somebody else connected the guest's next boot to it."""
    anna = person("anna")
    grant(anna, Role.ADMINISTRATOR, guest=row("web-1"))
    tree = ElementTree.fromstring(domain(worker, "web-1").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    other = "<interface type='network'><mac address='52:54:00:00:00:89'/><source network='secret'/></interface>"
    tree.find("devices").append(ElementTree.fromstring(other))  # type: ignore[union-attr]
    worker.libvirt("alpha").raw.defineXML(ElementTree.tostring(tree, encoding="unicode"))
    until(lambda: len(row("web-1").next_boot["nics"]) == 2)
    refused = send(signed_in(anna), "52:54:00:00:00:89/", guest="web-1", source="network:secret", model="e1000")
    assert refused.status_code == 422
    assert "networks of guests that you administrate" in refused.content.decode()
    assert not Operation.objects.exists()
    assert len(nics(worker, "web-1")) == 2


def test_the_page_of_macs_shows_duplicates_and_how_to_mend_them(admin: User, db: None) -> None:
    one, other = make_guest(make_host("alpha"), "web-1"), make_guest(make_host("beta"), "clone-1")
    for guest in (one, other):
        MACUse.objects.create(guest=guest, mac="52:54:00:12:34:56")
    text = signed_in(admin).get("/macs/").content.decode()
    assert "web-1" in text
    assert "clone-1" in text
    assert f"/guests/{other.pk}/nics/52:54:00:12:34:56/" in text
    assert "16777216" in text.replace(",", "").replace("\xa0", "")
    anna = person("anna")
    grant(anna, Role.WATCHER, guest=one)
    text = signed_in(anna).get("/macs/").content.decode()
    assert "web-1" in text
    assert "clone-1" not in text
    assert "1 guest that you may not see" in text
    assert "16777216" not in text
    assert "/nics/" not in text
    assert "web-1" not in signed_in(person("nobody")).get("/macs/").content.decode()
    header = signed_in(anna).get(f"/guests/{one.pk}/").content.decode()
    assert "duplicate MAC" in header


def test_the_page_of_networks_shows_leases_of_visible_guests_only(admin: User, db: None) -> None:
    host = make_host("alpha")
    one, other = make_guest(host, "web-1"), make_guest(host, "db-1")
    macs = {"web-1": "52:54:00:00:00:01", "db-1": "52:54:00:00:00:02"}
    for guest in (one, other):
        MACUse.objects.create(guest=guest, mac=macs[guest.name])
    leases = [{"mac": mac, "address": f"10.0.0.{n}", "hostname": "", "until": 0} for n, mac in enumerate(macs.values())]
    HostNetwork.objects.create(
        host=host, uuid=host.pk, name="lan", active=True, autostart=False, forward="nat", bridge="virbr0", leases=leases
    )
    assert "10.0.0.1" in signed_in(admin).get("/networks/").content.decode()
    anna = person("anna")
    grant(anna, Role.WATCHER, guest=one)
    text = signed_in(anna).get("/networks/").content.decode()
    assert "10.0.0.0" in text
    assert "10.0.0.1" not in text
    assert "lan" not in signed_in(person("nobody")).get("/networks/").content.decode().split("<main")[1]
