"""Cloning: a worker serves libvirt's test driver, and libvirt is asked what came of it. tests/live boots a clone."""

# ruff: noqa: F811 (fixtures of the worker are imported by name)
from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import User
from django.test import Client

from guests.access.models import Role
from guests.inventory.models import Guest, MACUse
from guests.inventory.storage import Pool, Volume
from guests.operations import ask, new_key, wait_for_end
from guests.operations.models import Operation
from tests.guests.inventory_rows import grant, person, signed_in
from tests.guests.test_deleting import DISK, POOL, VOLUME
from tests.guests.worker.conftest import RunningWorker, admin, row, start_worker, until  # noqa: F401
from tests.labs.host_xml import HostXml

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def worker(host_xml: HostXml, start_worker: Callable[..., RunningWorker]) -> RunningWorker:
    """off-1 has a qcow2 disk and a CD image, web-1 runs, lost-1's disk lies in no pool."""
    medium = DISK.format(device="cdrom", name="install.iso", target="sdb", more="<readonly/>")
    host_xml.add_guest("off-1", running=False, devices=medium, disk_format="qcow2")
    host_xml.add_guest("web-1", disk_format="qcow2")
    host_xml.add_guest("lost-1", running=False, disk_format="raw")
    running = start_worker({"alpha": host_xml.uri})
    pool = running.libvirt("alpha").raw.storagePoolDefineXML(POOL, 0)
    pool.create(0)
    for name, format in (("disk-1.img", "qcow2"), ("disk-2.img", "qcow2"), ("install.iso", "iso")):
        pool.createXML(VOLUME.format(name=name, format=format, more=""), 0)
    pool.refresh(0)
    until(lambda: Volume.objects.filter(name="install.iso").exists())
    return running


@pytest.fixture
def client(admin: User) -> Client:
    return signed_in(admin)


def clone(client: Client, guest: str = "off-1", status: int = 200, **form: Any) -> str:
    response = client.post(f"/guests/{row(guest).pk}/clone/", {"how": "full"} | form, follow=True)
    assert response.status_code == status, response.content.decode()
    return " ".join(response.content.decode().split())


def libvirt_xml(worker: RunningWorker, name: str) -> ElementTree.Element:
    return ElementTree.fromstring(worker.libvirt("alpha").raw.lookupByName(name).XMLDesc(2))


def volumes(worker: RunningWorker) -> set[str]:
    return {volume.name() for volume in worker.libvirt("alpha").raw.storagePoolLookupByName("images").listAllVolumes(0)}


def test_a_full_clone_has_copies_and_an_identity_of_its_own(worker: RunningWorker, client: Client) -> None:
    source = row("off-1")
    text = clone(client, name="off-2")
    assert "This is off-2, cloned from off-1." in text and "<title>off-2" in text
    made = row("off-2")
    assert made.uuid != source.uuid and made.pk != source.pk
    xml = libvirt_xml(worker, "off-2")
    sources = [source.get("file") for source in xml.iterfind("devices/disk/source")]
    assert sources == ["/guests/off-2-vda.qcow2", "/guests/install.iso"]
    assert "off-2-vda.qcow2" in volumes(worker)
    assert Volume.objects.get(name="off-2-vda.qcow2").format == "qcow2"
    macs = {use.mac for use in MACUse.objects.filter(guest=made)}
    assert macs and not macs & {use.mac for use in MACUse.objects.filter(guest=source)}
    operation = Operation.objects.get()
    assert (operation.kind, operation.guest) == ("clone_guest", source)
    assert operation.after["volumes"] == ["images/off-2-vda.qcow2"]
    assert set(operation.after["macs"]) == macs
    assert "off-2" in client.get(f"/guests/{source.pk}/history/").content.decode()


def test_a_linked_clone_lies_over_its_source_which_is_started_no_more(worker: RunningWorker, client: Client) -> None:
    worker.libvirt("alpha").raw.lookupByName("off-1").snapshotCreateXML(
        "<domainsnapshot><name>before</name></domainsnapshot>", 0
    )
    clone(client, name="off-2", how="linked", start="on")
    xml = libvirt_xml(worker, "off-2")
    below = xml.find("devices/disk/backingStore/source")
    assert below is not None and below.get("file") == "/guests/disk-1.img"
    assert row("off-2").state == "running"
    admin = User.objects.get(username="admin")
    for kind in ("start", "start_paused"):
        refused = wait_for_end(ask(kind, row("off-1"), by=admin, key=new_key()), 10)
        assert "Linked clones lie over vda of off-1" in refused.message
    refused = wait_for_end(
        ask("set_autostart", row("off-1"), by=admin, key=new_key(), parameters={"autostart": True}), 10
    )
    assert "it must not start" in refused.message
    stays = "Linked clones lie over vda of off-1, which has to stay as it is: delete them first."
    for kind, parameters in (
        ("delete_guest", {}),
        ("take_snapshot", {"name": "one", "description": ""}),
        ("delete_snapshot", {"name": "before"}),
    ):
        refused = wait_for_end(ask(kind, row("off-1"), by=admin, key=new_key(), parameters=parameters), 10)
        assert (refused.state, refused.message) == ("failed", stays), kind
    grown = {"target": "vda", "bytes": 2**30}
    refused = wait_for_end(ask("grow_disk", row("off-1"), by=admin, key=new_key(), parameters=grown), 10)
    assert "it has to stay as it is" in refused.message
    page = client.get(f"/guests/{row('off-1').pk}/delete/").content.decode()
    assert "keeps only its differences to it" in page and stays in page
    client.post(f"/guests/{row('off-2').pk}/delete/", {"name": "off-2", "force_off": "on", "disks": ["vda"]})
    assert "off-2-vda.qcow2" not in volumes(worker)
    assert wait_for_end(ask("start", row("off-1"), by=admin, key=new_key()), 10).state == "done"


def test_a_guest_that_runs_is_not_cloned_and_the_page_says_why(worker: RunningWorker, client: Client) -> None:
    page = client.get(f"/guests/{row('web-1').pk}/clone/").content.decode()
    assert "web-1 runs, and what it has in memory is not on its disks" in page and "<form class=" in page
    assert 'name="how"' not in page
    clone(client, "web-1", 422, name="web-2")
    admin = User.objects.get(username="admin")
    asked = ask("clone_guest", row("web-1"), by=admin, key=new_key(), parameters={"name": "web-2"})
    assert "shut it off first" in wait_for_end(asked, 10).message
    assert volumes(worker) == {"disk-1.img", "disk-2.img", "install.iso"}


def test_a_disk_that_lies_in_no_pool_is_named(worker: RunningWorker, client: Client) -> None:
    text = clone(client, "lost-1", 422, name="lost-2")
    assert "vda: It lies in no active storage pool of the host." in text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("../x", "letters, digits"), ("-x", "letters, digits"), ("", "required"), ("web-1", "already")],
)
def test_a_name_that_cannot_be_is_refused_at_its_field(
    worker: RunningWorker, client: Client, name: str, sentence: str
) -> None:
    text = clone(client, status=422, name=name)
    assert sentence in text and 'aria-invalid="true"' in text
    assert not Operation.objects.exists()


def test_what_fails_in_the_middle_is_undone(worker: RunningWorker, client: Client) -> None:
    """The name is free by the rows, and taken at the host before its definition is made."""
    before = volumes(worker)
    from guests.operations import cloning

    def taken(*_arguments: Any, **_options: Any) -> None:
        from guests.errors import OperationRefused

        raise OperationRefused("The host refused this.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cloning.hypervisor, "define_clone", taken)
        text = clone(client, status=422, name="off-2")
    assert "The host refused this. Nothing of it was left on the host." in text
    assert volumes(worker) == before
    assert not Guest.objects.filter(name="off-2").exists()


def test_a_raw_disk_that_looks_like_another_format_is_not_copied(worker: RunningWorker, client: Client) -> None:
    """Its guest can write there what reads a file of the host."""
    pool = worker.libvirt("alpha").raw.storagePoolLookupByName("images")
    pool.createXML(VOLUME.format(name="disk-3.img", format="qcow2", more=""), 0)
    pool.refresh(0)
    until(lambda: Volume.objects.filter(name="disk-3.img").exists())
    text = clone(client, "lost-1", 422, name="lost-2")
    assert "vda is used as raw, but what is in it looks like qcow2: it is not copied." in text
    assert "lost-2-vda.img" not in volumes(worker)


def test_copies_that_have_no_room_are_refused(worker: RunningWorker, client: Client) -> None:
    Volume.objects.filter(name="disk-1.img").update(allocation_bytes=2**50)
    page = client.get(f"/guests/{row('off-1').pk}/clone/").content.decode()
    assert "and the copies need 1.0 PiB" in page or "and the copies need" in page
    assert Pool.objects.get().available_bytes < 2**50


def test_only_who_makes_guests_on_the_host_clones_there(worker: RunningWorker, client: Client) -> None:
    guest, operator, stranger, owner = row("off-1"), person("rui"), person("eva"), person("ana")
    grant(operator, Role.OPERATOR)
    grant(owner, Role.ADMINISTRATOR, guest=guest)
    form = {"name": "off-2", "how": "full"}
    assert signed_in(operator).post(f"/guests/{guest.pk}/clone/", form).status_code == 403
    assert signed_in(stranger).post(f"/guests/{guest.pk}/clone/", form).status_code == 404
    assert "You may not make new guests on alpha." in clone(signed_in(owner), status=422, name="off-2")
    with pytest.raises(Exception, match="You may not make new guests on alpha"):
        ask("clone_guest", guest, by=owner, key=new_key(), parameters=form)
    assert not Guest.objects.filter(name="off-2").exists()
