"""Creating guests through their pages: a worker serves libvirt's test driver, and libvirt is asked what happened."""

# ruff: noqa: F811 (fixtures of the worker are imported by name)
from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from guests.access.models import Role
from guests.hypervisor.domain_xml import parse_definition
from guests.inventory.models import Guest, Host
from guests.inventory.storage import Pool, Volume
from guests.operations import ask_host, wait_for_end
from guests.operations.models import MACReservation, Operation
from guests.operations.running import RunningOperation
from guests.resources import Definition
from tests.guests.inventory_rows import grant, person, signed_in
from tests.guests.worker.conftest import RunningWorker, admin, row, start_worker, until  # noqa: F401
from tests.labs.host_xml import HostXml

pytestmark = pytest.mark.timeout(60)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxPLSvV0qFbXBzdcCaZDwcYpJ5oYg2G6DDlqN1Wx2ye anna@desk"
POOL = "<pool type='dir'><name>images</name><target><path>/images</path></target></pool>"
VOLUME = "<volume><name>{}</name><capacity unit='MiB'>{}</capacity><target><format type='{}'/></target></volume>"
VOLUMES = (("debian.iso", 600, "raw"), ("cloud.qcow2", 2048, "qcow2"), ("vmlinuz", 8, "raw"), ("old.img", 1024, "raw"))


@pytest.fixture
def worker(host_xml: HostXml, start_worker: Callable[..., RunningWorker]) -> RunningWorker:
    """Serves web-1 and off-1 in the network `default`, and a pool with an ISO, an image, a kernel and a disk."""
    host_xml.add_network("default")
    host_xml.add_guest("web-1")
    host_xml.add_guest("off-1", running=False)
    running = start_worker({"alpha": host_xml.uri})
    pool = running.libvirt("alpha").raw.storagePoolDefineXML(POOL, 0)
    pool.create(0)
    for volume in VOLUMES:
        pool.createXML(VOLUME.format(*volume), 0)
    pool.refresh(0)
    until(lambda: Volume.objects.filter(name="vmlinuz").exists())
    until(lambda: Host.objects.filter(capabilities__isnull=False).exists())
    return running


@pytest.fixture
def client(admin: User, worker: RunningWorker) -> Client:
    return signed_in(admin)


def volume(name: str) -> str:
    return str(Volume.objects.get(name=name).pk)


def send(client: Client, source: str = "iso", path: str = "/guests/new/", **fields: Any) -> HttpResponse:
    values = {
        "host": "alpha",
        "name": "new-1",
        "source": source,
        "memory": "256 MiB",
        "maximum": "512 MiB",
        "vcpus": "1",
        "maximum_vcpus": "2",
        "network": "network:default",
        "kind": "hvm-test",
        "pool": str(Pool.objects.get(name="images").pk),
        "size": "2 GiB",
        "start": "on",
    }
    own = {
        "iso": {"iso": volume("debian.iso")},
        "disk": {"disk": volume("old.img")},
        "cloud": {"image": volume("cloud.qcow2"), "user": "anna", "ssh_keys": KEY, "size": "4"},
        "kernel": {"kernel": volume("vmlinuz"), "initrd": "", "cmdline": "console=ttyS0 quiet", "size": ""},
    }
    sent = {**values, **own.get(source, {}), "key": f"key-{Operation.objects.count()}", **fields}
    return client.post(path, {name: value for name, value in sent.items() if value is not None})


def defined(worker: RunningWorker, name: str = "new-1") -> Definition:
    """The new guest as libvirt has it."""
    return parse_definition(worker.libvirt("alpha").raw.lookupByName(name).XMLDesc(0))


def names(worker: RunningWorker) -> set[str]:
    return {domain.name() for domain in worker.libvirt("alpha").raw.listAllDomains(0)}


def volumes(worker: RunningWorker) -> set[str]:
    return set(worker.libvirt("alpha").raw.storagePoolLookupByName("images").listVolumes())


def test_from_a_medium_to_a_running_guest_in_one_go(client: Client, worker: RunningWorker) -> None:
    page = client.get("/guests/new/").content.decode()
    assert "debian.iso (images, 600.0 MiB)" in page
    answer = send(client)
    operation = Operation.objects.get(kind="create_guest")
    assert answer["Location"] == f"/guests/new/{operation.pk}/"
    guest = row("new-1")
    assert client.get(answer["Location"])["Location"] == f"/guests/{guest.pk}/"  # the test driver has no consoles
    assert (operation.state, operation.guest) == ("done", guest)
    assert guest.state == "running"
    found = defined(worker)
    assert [(disk.source, disk.device, disk.format) for disk in found.disks] == [
        ("/images/new-1.qcow2", "disk", "qcow2"),
        ("/images/debian.iso", "cdrom", "raw"),
    ]
    assert (found.memory.current_kib, found.memory.maximum_kib) == (256 * 1024, 512 * 1024)
    assert (found.vcpus.current, found.vcpus.maximum) == (1, 2)
    (nic,) = found.nics
    assert nic.source == "default"
    assert MACReservation.objects.filter(mac=nic.mac, guest=None).exists()
    assert "Create a guest" in client.get(f"/guests/{guest.pk}/history/").content.decode()


def test_an_existing_disk_is_taken_as_it_is(client: Client, worker: RunningWorker) -> None:
    assert send(client, "disk", start=None).status_code == 302
    assert [disk.source for disk in defined(worker).disks] == ["/images/old.img"]
    assert row("new-1").state == "shut-off"
    taken = send(client, "disk", name="new-2")
    assert taken.status_code == 422
    asked = {**Operation.objects.get().parameters, "name": "new-2", "uuid": str(uuid4())}
    operation = ask_host(
        "create_guest", Host.objects.get(), by=User.objects.get(), key="past-the-form", parameters=asked
    )
    assert "new-1 uses it" in wait_for_end(operation).message
    assert "new-2" not in names(worker)


def test_a_kernel_boots_without_a_disk(client: Client, worker: RunningWorker) -> None:
    assert send(client, "kernel", network="").status_code == 302
    xml = worker.libvirt("alpha").raw.lookupByName("new-1").XMLDesc(0)
    assert "<kernel>/images/vmlinuz</kernel>" in xml
    assert "<cmdline>console=ttyS0 quiet</cmdline>" in xml
    assert defined(worker).disks == defined(worker).nics == ()


def test_what_fails_in_the_middle_is_taken_back_and_told(client: Client, worker: RunningWorker) -> None:
    """The test driver copies the image and takes no upload, so the seed fails."""
    before = volumes(worker)
    answer = send(client, "cloud")
    operation = Operation.objects.get()
    assert operation.state == "failed"
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "Nothing of it was left on the host." in text
    assert KEY in text
    assert volumes(worker) == before
    assert "new-1" not in names(worker)
    page = client.get(f"/guests/new/{operation.pk}/").content.decode()
    assert f"?again={operation.pk}" in page
    again = client.get(f"/guests/new/?again={operation.pk}").content.decode()
    assert KEY in again
    assert 'value="new-1"' in again
    assert 'value="4.0 GiB"' in again


def test_one_that_is_cancelled_on_its_way_leaves_nothing(
    client: Client, worker: RunningWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = volumes(worker)
    monkeypatch.setattr(RunningOperation, "is_cancelled", lambda _self: "new-1.qcow2" in volumes(worker))
    answer = send(client)
    assert "Cancelled. Nothing of it was left on the host." in answer.content.decode()
    assert Operation.objects.get().state == "failed"
    assert volumes(worker) == before
    assert "new-1" not in names(worker)


def test_one_whose_end_nobody_saw_is_followed_until_the_host_told_it(client: Client, worker: RunningWorker) -> None:
    worker.stop()
    wanted = {"name": "new-1", "uuid": str(uuid4()), "start": True}
    operation = Operation.objects.create(
        kind="create_guest", host=Host.objects.get(), parameters=wanted, state="unknown", message="It will be asked."
    )
    page = client.get(f"/guests/new/{operation.pk}/").content.decode()
    assert (
        "It will be asked." in page
        and "Failed" not in page
        and "hx-get" in page.split('id="course"')[1]
        and "?again=" not in page
    )
    made = {"state": "failed", "ended_at": timezone.now(), "guest": row("off-1"), "message": "It was made."}
    Operation.objects.update(**made)
    page = client.get(f"/guests/new/{operation.pk}/").content.decode()
    assert f'href="/guests/{row("off-1").pk}/"' in page and "?again=" not in page
    course = page.split('id="course"')[1]
    assert course.index("Done") < course.index("Make it known") < course.index("Failed") < course.index("Start it")


@pytest.mark.parametrize(
    ("source", "fields", "where", "why"),
    [
        ("iso", {"name": "../x"}, "name", "no letter or digit"),
        ("iso", {"name": ""}, "name", "required"),
        ("iso", {"name": "web-1"}, "name", "has a guest web-1 already"),
        ("iso", {"iso": "/etc/shadow"}, "iso", "valid choice"),
        ("iso", {"memory": "lots"}, "memory", "Type a number"),
        ("iso", {"memory": "1 GiB"}, "memory", "More than the maximum memory"),
        ("iso", {"maximum": "9 TiB"}, "maximum", "in all"),
        ("iso", {"vcpus": "3"}, "vcpus", "More than the maximum"),
        ("iso", {"network": "network:secret"}, "network", "valid choice"),
        ("iso", {"pool": "99"}, "pool", "valid choice"),
        ("iso", {"size": "0"}, "size", "0 is not possible"),
        ("iso", {"kind": "xen-test"}, "kind", "valid choice"),
        ("iso", {"host": "beta"}, "host", "valid choice"),
        ("cloud", {"size": "1 GiB"}, "size", "needs at least 2.0 GiB"),
        ("cloud", {"user": "root"}, "user", "is not root"),
        ("cloud", {"ssh_keys": "hello"}, "ssh_keys", "no public key"),
        ("cloud", {"hostname": "a_b"}, "hostname", "small letters"),
        ("kernel", {"cmdline": "quiet\x1b[2J"}, "cmdline", "printable"),
    ],
)
def test_a_refused_value_is_told_at_its_field_and_what_was_typed_is_kept(
    client: Client, worker: RunningWorker, source: str, fields: dict[str, str], where: str, why: str
) -> None:
    refused = send(client, source, **fields)
    assert refused.status_code == 422
    text = refused.content.decode()
    error = text.split(f'id="id_{where}_error"', 1)[1].split("</div>", 1)[0]
    assert why in error
    assert "512 MiB" in text or "maximum" in fields
    assert not Operation.objects.exists()
    assert names(worker) == {"web-1", "off-1"}


def test_what_may_fail_later_is_asked_back(client: Client, worker: RunningWorker) -> None:
    asked = send(client, size="900 TiB")
    assert asked.status_code == 422
    assert "guests stop when it is full" in asked.content.decode()
    assert not Operation.objects.exists()
    assert send(client, size="900 TiB", accept="on").status_code == 302


def test_the_fields_follow_what_is_chosen_and_what_was_typed_stays(client: Client, worker: RunningWorker) -> None:
    answer = send(client, "cloud", path="/guests/new/fields/", memory="lots", ssh_keys="hello", start=None)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert 'name="ssh_keys"' in text
    assert 'name="iso"' not in text
    assert 'value="lots"' in text
    assert "hello" in text
    assert "gh-error" not in text
    start = text.split('name="start"', 1)[1].split(">", 1)[0]
    assert "checked" not in start
    assert client.get("/guests/new/fields/").status_code == 405


def test_one_like_a_guest_begins_with_what_that_has(client: Client, worker: RunningWorker) -> None:
    text = client.get(f"/guests/new/?like={row('web-1').pk}").content.decode()
    assert 'value="256 MiB"' in text
    assert 'value="512 MiB"' in text
    assert f"/guests/new/?like={row('web-1').pk}" in client.get(f"/guests/{row('web-1').pk}/").content.decode()
    assert client.get("/guests/new/?like=nonsense").status_code == 404


def test_only_administrators_of_a_whole_host_create_and_on_that_only(worker: RunningWorker) -> None:
    anna, olga, hugo = person("anna"), person("olga"), person("hugo")
    grant(anna, Role.ADMINISTRATOR, guest=row("web-1"))
    grant(olga, Role.OPERATOR)
    grant(hugo, Role.ADMINISTRATOR, host=Host.objects.get(name="alpha"))
    for user in (anna, olga):
        browser = signed_in(user)
        assert browser.get("/guests/new/").status_code == 403
        assert send(browser).status_code == 403
        assert send(browser, path="/guests/new/fields/").status_code == 403
        assert "/guests/new/" not in browser.get("/guests/").content.decode()
        assert "/guests/new/" not in browser.get(f"/guests/{row('web-1').pk}/").content.decode()
    browser = signed_in(hugo)
    assert "/guests/new/" in browser.get("/guests/").content.decode()
    assert send(browser).status_code == 302
    operation = Operation.objects.get()
    assert signed_in(olga).get(f"/guests/new/{operation.pk}/").status_code == 404
    assert not Guest.objects.filter(name="new-2").exists()


def test_nobody_creates_on_a_host_that_does_not_answer(client: Client, worker: RunningWorker) -> None:
    worker.stop()
    Host.objects.update(state="unreachable")
    refused = send(client)
    assert refused.status_code == 422
    assert "does not answer" in refused.content.decode()
    assert not Operation.objects.exists()
