"""Deleting a guest with some of its disks: a worker serves libvirt's test driver, and libvirt is asked what is left."""

# ruff: noqa: F811 (fixtures of the worker are imported by name)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from guests.access.models import Role
from guests.audit.models import AuditRecord
from guests.inventory.models import MACUse
from guests.inventory.storage import Volume
from guests.operations import ask, new_key, wait_for_end
from guests.operations.models import Operation
from guests.operations.stored_disks import stored_disks
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in
from tests.guests.worker.conftest import RunningWorker, admin, row, start_worker, until  # noqa: F401
from tests.labs.host_xml import HostXml

pytestmark = pytest.mark.timeout(60)

POOL = "<pool type='dir'><name>images</name><target><path>/guests</path></target></pool>"
VOLUME = """<volume><name>{name}</name><capacity unit='MiB'>8</capacity>
<target><format type='{format}'/></target>{more}</volume>"""
DISK = """<disk type="file" device="{device}"><driver name="qemu" type="raw"/>
<source file="/guests/{name}"/><target dev="{target}" bus="scsi"/>{more}</disk>"""


@pytest.fixture
def worker(host_xml: HostXml, start_worker: Callable[..., RunningWorker]) -> RunningWorker:
    """The pool `images` holds the disks of off-1 (vda its own; sda shared with web-1; sdb an ISO; sdc a base)."""
    shared = DISK.format(device="disk", name="shared.img", target="sda", more="")
    medium = DISK.format(device="cdrom", name="install.iso", target="sdb", more="<readonly/>")
    base = DISK.format(device="disk", name="base.img", target="sdc", more="")
    nowhere = DISK.format(device="disk", name="../elsewhere.img", target="sdd", more="")
    host_xml.add_guest("off-1", running=False, devices=shared + medium + base + nowhere)
    host_xml.add_guest("web-1", devices=shared)
    running = start_worker({"alpha": host_xml.uri})
    pool = running.libvirt("alpha").raw.storagePoolDefineXML(POOL, 0)
    pool.create(0)
    for name in ("disk-1.img", "disk-2.img", "shared.img", "install.iso", "base.img"):
        pool.createXML(VOLUME.format(name=name, format="raw", more=""), 0)
    over = "<backingStore><path>/guests/base.img</path><format type='raw'/></backingStore>"
    pool.createXML(VOLUME.format(name="over.qcow2", format="qcow2", more=over), 0)
    pool.refresh(0)
    until(lambda: Volume.objects.filter(backing_path="/guests/base.img").exists())
    return running


@pytest.fixture
def client(admin: User) -> Client:
    return signed_in(admin)


def volumes(worker: RunningWorker) -> set[str]:
    return {volume.name() for volume in worker.libvirt("alpha").raw.storagePoolLookupByName("images").listAllVolumes(0)}


def is_there(worker: RunningWorker, name: str) -> bool:
    return any(domain.name() == name for domain in worker.libvirt("alpha").raw.listAllDomains(0))


def delete(client: Client, guest: str, status: int = 200, **form: Any) -> str:
    response = client.post(f"/guests/{row(guest).pk}/delete/", form, follow=True)
    assert response.status_code == status, response.content.decode()
    return " ".join(response.content.decode().split())


ALL = {"disk-1.img", "disk-2.img", "shared.img", "install.iso", "base.img", "over.qcow2"}


def test_a_guest_goes_with_the_disks_that_were_chosen_and_its_page_stays(worker: RunningWorker, client: Client) -> None:
    guest = row("off-1")
    page = " ".join(client.get(f"/guests/{guest.pk}/delete/").content.decode().split())
    for reason in (
        "Another guest uses it, too.",
        "Media stay: they may be put into another guest.",
        "Another volume keeps only its differences to it.",
        "It lies in no storage pool of the host",
    ):
        assert page.count(reason) == 1, reason
    assert page.count("disabled aria-describedby") == 4
    text = delete(client, "off-1", name="off-1", disks=["vda"])
    assert "off-1 was deleted." in text and "does not have this guest any more" in text
    assert not is_there(worker, "off-1")
    assert volumes(worker) == ALL - {"disk-1.img"}
    assert not Volume.objects.filter(name="disk-1.img").exists()
    assert row("off-1").gone_at is not None and row("off-1").pk == guest.pk
    assert not MACUse.objects.filter(guest=guest).exists()
    operation = Operation.objects.get()
    assert operation.before["disks"]["vda"] == "/guests/disk-1.img"
    assert [one["volume"] for one in operation.after["deleted"]] == ["images/disk-1.img"]
    record = AuditRecord.objects.get(action="guest.delete_guest.ended")
    assert record.detail["after"]["deleted"][0]["target"] == "vda"
    assert "Delete" in client.get(f"/guests/{guest.pk}/history/").content.decode()
    assert client.get(f"/guests/{guest.pk}/delete/").status_code == 302


@pytest.mark.parametrize("target", ["sda", "sdb", "sdc", "sdd", "hdz"])
def test_what_others_use_cannot_be_chosen_whoever_asks_and_then_nothing_is_deleted(
    worker: RunningWorker, client: Client, admin: User, target: str
) -> None:
    text = delete(client, "off-1", 422, name="off-1", disks=["vda", target])
    assert "is not one of the available choices" in text
    guest = row("off-1")
    paths = {disk["target"]: disk["source"] for disk in guest.definition["disks"]}
    asked = ask(
        "delete_guest",
        guest,
        by=admin,
        key=new_key(),
        parameters={"disks": ["vda", target]},
        before={"disks": paths},
    )
    assert wait_for_end(asked, 10).message.endswith("othing was deleted.")
    assert is_there(worker, "off-1")
    assert volumes(worker) == ALL


def test_a_disk_that_somebody_took_since_the_last_reading_is_seen_at_the_host(
    worker: RunningWorker, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guests.operations import deleting

    raw, known = worker.libvirt("alpha").raw, stored_disks(row("off-1"))
    monkeypatch.setattr(deleting, "stored_disks", lambda _row: known)
    xml = raw.lookupByName("web-1").XMLDesc(2).replace("shared.img", "disk-1.img")
    raw.defineXML(xml)
    asked = ask(
        "delete_guest",
        row("off-1"),
        by=admin,
        key=new_key(),
        parameters={"disks": ["vda"]},
        before={"disks": {"vda": "/guests/disk-1.img"}},
    )
    assert "used by somebody else" in wait_for_end(asked, 10).message
    assert volumes(worker) == ALL


def test_what_fails_in_the_middle_says_what_remains(
    worker: RunningWorker, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guests.errors import OperationRefused
    from guests.operations import deleting

    def refuse(*_arguments: Any) -> None:
        raise OperationRefused("The storage is read-only.")

    monkeypatch.setattr(deleting.hypervisor, "delete_volume", refuse)
    text = delete(client, "off-1", name="off-1", disks=["vda"])
    assert "These remain: images/disk-1.img. The storage is read-only." in text
    assert not is_there(worker, "off-1")
    assert row("off-1").gone_at is not None


def test_a_running_guest_is_forced_off_only_where_that_was_chosen(worker: RunningWorker, client: Client) -> None:
    assert "shut it off first, or have it forced off" in delete(client, "web-1", 422, name="web-1")
    assert is_there(worker, "web-1")
    delete(client, "web-1", name="web-1", force_off="on")
    assert not is_there(worker, "web-1")
    assert volumes(worker) == ALL


def test_the_name_must_be_typed(worker: RunningWorker, client: Client) -> None:
    assert "This is not its name: off-1." in delete(client, "off-1", 422, name="off")
    assert "Type the name" in delete(client, "off-1", 422)
    assert is_there(worker, "off-1") and not Operation.objects.exists()


def test_what_changed_since_the_form_was_opened_stays(worker: RunningWorker, admin: User) -> None:
    def asked(**before: Any) -> str:
        operation = ask(
            "delete_guest", row("off-1"), by=admin, key=new_key(), parameters={"disks": ["vda"]}, before=before
        )
        return wait_for_end(operation, 10).message

    assert "is not what it was when you opened the form" in asked(disks={"vda": "/guests/other.img"})
    assert "shut off since you opened the form" in asked(state="running")
    assert is_there(worker, "off-1") and volumes(worker) == ALL


def test_snapshots_and_saved_memory_go_with_the_guest(worker: RunningWorker, client: Client) -> None:
    domain = worker.libvirt("alpha").raw.lookupByName("web-1")
    domain.snapshotCreateXML("<domainsnapshot><name>one</name></domainsnapshot>", 0)
    domain.managedSave(0)
    until(lambda: row("web-1").saved and row("web-1").snapshots)
    page = client.get(f"/guests/{row('web-1').pk}/delete/").content.decode()
    assert "saved to disk, too" in page and "Nothing can go back to its snapshot" in page
    delete(client, "web-1", name="web-1")
    assert not is_there(worker, "web-1")


def test_only_administrators_delete_and_volumes_only_those_of_the_whole_host(
    worker: RunningWorker, client: Client
) -> None:
    guest, operator, stranger, owner = row("off-1"), person("rui"), person("eva"), person("ana")
    grant(operator, Role.OPERATOR)
    grant(owner, Role.ADMINISTRATOR, guest=guest)
    form = {"name": "off-1", "disks": ["vda"]}
    assert signed_in(operator).post(f"/guests/{guest.pk}/delete/", form).status_code == 403
    assert signed_in(stranger).post(f"/guests/{guest.pk}/delete/", form).status_code == 404
    page = signed_in(owner).get(f"/guests/{guest.pk}/delete/").content.decode()
    assert "Only who administrates the whole host" in page
    delete(signed_in(owner), "off-1", 422, **form)
    with pytest.raises(Exception, match="Only who administrates the whole host"):
        ask("delete_guest", guest, by=owner, key=new_key(), parameters={"disks": ["vda"]})
    assert is_there(worker, "off-1") and volumes(worker) == ALL
    delete(signed_in(owner), "off-1", name="off-1")
    assert not is_there(worker, "off-1") and volumes(worker) == ALL


@pytest.mark.django_db
def test_a_volume_that_a_guest_of_another_host_has_is_kept() -> None:
    disk = {
        "target": "vda",
        "device": "disk",
        "bus": "virtio",
        "source_kind": "file",
        "source": "/nfs/a.img",
        "format": "raw",
        "readonly": False,
        "shareable": False,
    }
    guests = []
    for name in ("alpha", "beta"):
        host = make_host(name)
        pool = host.pools.create(uuid=host.pk, name="nfs", kind="netfs", source="filer:/images", path="/nfs")
        pool.volumes.create(name="a.img", path="/nfs/a.img", format="raw", seen_format="raw", kind="file")
        guests.append(make_guest(host, f"on-{name}", definition={"disks": [disk]}, next_boot=None))
    assert stored_disks(guests[0])[0].used_by_others
