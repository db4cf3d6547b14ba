"""Disks through the URL: what libvirt's next boot has afterwards, what is refused, and who may."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import libvirt
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from guests.access.models import Role
from guests.audit.models import AuditRecord
from guests.hypervisor.reading import get_guest
from guests.inventory.models import Guest
from guests.inventory.storage import Pool, Volume
from guests.operations import ask, ask_host, new_key, wait_for_end
from guests.operations.given_volumes import claim_key
from guests.operations.kinds import KINDS
from guests.operations.models import Operation, OperationState, VolumeClaim
from guests.operations.upload_models import Upload
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in
from tests.guests.worker.conftest import RunningWorker, admin, domain, row, start_worker, until  # noqa: F401
from tests.labs.host_xml import HostXml

pytestmark = pytest.mark.timeout(60)

VOLUME = """<volume><name>{0}</name><capacity unit='MiB'>8</capacity><target><format type='{1}'/></target></volume>"""
CDROM = '<disk type="file" device="cdrom"><target dev="hda" bus="ide"/><readonly/></disk>'
MADE = {"a.qcow2": "qcow2", "b.raw": "raw", "one.iso": "raw", "two.iso": "raw", "old.vmdk": "vmdk"}


def disks(worker: RunningWorker, name: str = "off-1") -> dict[str, str]:
    """The source of each target of the next boot, as libvirt tells it; "" for an empty drive."""
    xml = domain(worker, name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    found = {}
    for disk in ElementTree.fromstring(xml).iterfind("devices/disk"):
        target, source = disk.find("target"), disk.find("source")
        assert target is not None
        found[target.get("dev", "")] = "" if source is None else source.get("file", "")
    return found


@pytest.fixture
def worker(host_xml: HostXml, start_worker: Callable[..., RunningWorker]) -> RunningWorker:  # noqa: F811
    """Serves web-1 (running), off-1 and off-2 (shut off, with a CD-ROM drive), and the pool `images`."""
    host_xml.add_guest("web-1")
    host_xml.add_guest("off-1", running=False, devices=CDROM)
    host_xml.add_guest("off-2", running=False, devices=CDROM)
    running = start_worker({"alpha": host_xml.uri})
    raw = running.libvirt("alpha").raw
    pool = raw.storagePoolDefineXML(
        "<pool type='dir'><name>images</name><target><path>/images</path></target></pool>", 0
    )
    pool.create(0)
    for name, format in MADE.items():
        pool.createXML(VOLUME.format(name, format), 0)
    pool.refresh(0)
    until(lambda: Volume.objects.count() == len(MADE))
    until(lambda: Guest.objects.count() == 3)
    return running


@pytest.fixture
def client(admin: User, worker: RunningWorker) -> Client:  # noqa: F811
    return signed_in(admin)


def volume(name: str) -> Volume:
    return Volume.objects.get(name=name)


def send(client: Client, path: str, guest: str = "off-1", /, **fields: Any) -> HttpResponse:
    values = {"key": f"key-{Operation.objects.count()}", "when": "boot"}
    return client.post(f"/guests/{row(guest).pk}/disks/{path}", values | fields)


def add(client: Client, name: str, guest: str = "off-1", /, **fields: Any) -> HttpResponse:
    return send(client, "add/", guest, **({"volume": volume(name).pk, "bus": "virtio"} | fields))


def test_a_volume_becomes_a_disk_and_stays_when_the_disk_goes(client: Client, worker: RunningWorker) -> None:
    assert add(client, "a.qcow2", cache="none").status_code == 302
    assert disks(worker)["vdb"] == "/images/a.qcow2"
    xml = domain(worker, "off-1").XMLDesc(0)
    assert "type='qcow2'" in xml
    assert "cache='none'" in xml
    page = client.get(f"/guests/{row('off-1').pk}/devices/").content.decode()
    assert "a.qcow2" in page
    page = client.get(f"/guests/{row('off-1').pk}/disks/vdb/").content.decode()
    assert "a.qcow2 in the pool images" in page
    assert send(client, "vdb/remove/").status_code == 302
    assert "vdb" not in disks(worker)
    assert worker.libvirt("alpha").raw.storageVolLookupByPath("/images/a.qcow2").name() == "a.qcow2"
    operation = Operation.objects.get(kind="add_disk")
    assert ["vdb", "/images/a.qcow2"] in operation.after["next_boot_disks"]
    assert operation.parameters["volume"] == "a.qcow2"
    assert AuditRecord.objects.filter(action="guest.remove_disk").exists()


def test_E6_a_path_in_a_form_is_read_by_nobody(client: Client, worker: RunningWorker) -> None:
    before = disks(worker)
    for path in ("/etc/shadow", "/images/../etc/shadow", "images/a.qcow2", "-1", "999999", "a.qcow2"):
        refused = send(client, "add/", volume=path, bus="virtio")
        assert refused.status_code == 422
        assert "no such volume on this host" in refused.content.decode()
        assert send(client, "hda/medium/", volume=path).status_code == 422
    assert disks(worker) == before
    assert not Operation.objects.exists()
    paths = dict.fromkeys(("path", "source", "file", "pool", "name", "disk", "target", "format"), "/etc/shadow")
    assert add(client, "a.qcow2", **paths).status_code == 302
    assert disks(worker) == {**before, "vdb": "/images/a.qcow2"}
    assert "shadow" not in domain(worker, "off-1").XMLDesc(0)


def test_E6_what_is_asked_past_the_form_names_a_volume_of_the_host_or_is_refused(
    admin: User,  # noqa: F811
    worker: RunningWorker,
) -> None:
    before = disks(worker)
    far = Pool.objects.create(host=make_host("far"), uuid=row("off-1").pk, name="far", kind="dir", active=True)
    Volume.objects.create(pool=far, name="far.raw", path="/far.raw", format="raw", seen_format="raw", kind="file")
    pool = str(volume("a.qcow2").pool.uuid)
    for named in (
        {"pool": pool, "volume": "../../etc/shadow"},
        {"pool": pool, "volume": "/etc/shadow"},
        {"pool": str(far.uuid), "volume": "far.raw"},
        {"pool": "images", "volume": "a.qcow2"},
        {"volume": "/etc/shadow"},
    ):
        wanted = {"device": "disk", "bus": "virtio", "live": False, "next_boot": True, **named}
        with pytest.raises(PermissionDenied, match="only volumes of guests that you administrate"):
            ask("add_disk", row("off-1"), by=admin, key=new_key(), parameters=wanted)
    # The path itself is no parameter: what is stored in nothing is refused by the worker.
    nothing = {"device": "disk", "bus": "virtio", "next_boot": True, "path": "/etc/shadow", "source": "/etc/shadow"}
    operation = wait_for_end(ask("add_disk", row("off-1"), by=admin, key=new_key(), parameters=nothing), 10)
    assert (operation.state, operation.field) == ("failed", "volume")
    assert disks(worker) == before


def test_a_volume_that_another_guest_has_is_refused_in_the_form_and_by_the_worker(
    client: Client,
    admin: User,  # noqa: F811
    worker: RunningWorker,
) -> None:
    assert add(client, "b.raw", "off-2").status_code == 302
    refused = add(client, "b.raw")
    assert refused.status_code == 422
    assert "Another guest uses this volume" in refused.content.decode()
    assert "(off-2)" in refused.content.decode()
    wanted = {
        "pool": str(volume("b.raw").pool.uuid),
        "volume": "b.raw",
        "device": "disk",
        "bus": "virtio",
        "next_boot": True,
    }
    Guest.objects.filter(name="off-2").update(next_boot=None, definition={})  # as if no row knew of it
    operation = wait_for_end(ask("add_disk", row("off-1"), by=admin, key=new_key(), parameters=wanted), 10)
    assert (operation.state, operation.field) == ("failed", "volume")
    assert "off-2" not in operation.message
    assert operation.detail == "off-2"
    assert "vdb" not in disks(worker)


def test_of_two_who_attach_a_volume_at_once_one_gets_it(
    admin: User,  # noqa: F811
    worker: RunningWorker,
) -> None:
    pool = str(volume("b.raw").pool.uuid)
    wanted = {"pool": pool, "volume": "b.raw", "device": "disk", "bus": "virtio", "next_boot": True}
    for _round in range(5):
        start = threading.Barrier(2)
        operations: list[Operation] = []

        def do(guest: str, start: threading.Barrier = start, operations: list[Operation] = operations) -> None:
            start.wait()
            operation = ask("add_disk", row(guest), by=admin, key=new_key(), parameters=wanted)
            operations.append(wait_for_end(operation, 15))
            connection.close()

        threads = [threading.Thread(target=do, args=(guest,)) for guest in ("off-1", "off-2")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(operation.state for operation in operations) == ["done", "failed"]
        assert [disks(worker, name).get("vdb") for name in ("off-1", "off-2")].count("/images/b.raw") == 1
        assert not VolumeClaim.objects.exists()
        winner = next(operation.guest for operation in operations if operation.state == "done")
        assert winner is not None
        gone = ask(
            "remove_disk", row(winner.name), by=admin, key=new_key(), parameters={"target": "vdb", "next_boot": True}
        )
        assert wait_for_end(gone, 10).state == "done"


def test_a_promise_of_a_worker_that_died_holds_nobody_up(client: Client, worker: RunningWorker) -> None:
    for guest in ("off-1", "off-2"):
        VolumeClaim.objects.create(key=claim_key(volume("b.raw")), guest=row(guest))
        assert add(client, "b.raw", guest).status_code == 302
        assert send(client, "vdb/remove/", guest).status_code == 302
        assert not VolumeClaim.objects.exists()


def test_of_giving_and_deleting_a_volume_at_once_one_is_refused(
    client: Client,
    admin: User,  # noqa: F811
    worker: RunningWorker,
) -> None:
    named = {"pool": str(volume("b.raw").pool.uuid), "volume": "b.raw"}
    host, other = row("off-1").host, row("off-2")
    under_way = {"host": host, "asked_by": admin, "asked_by_name": "admin", "state": OperationState.RUNNING}
    creates = {"disk": [named["pool"], named["volume"]]}
    for kind, parameters in (("delete_volume", named), ("create_guest", creates)):
        other_one = Operation.objects.create(kind=kind, parameters=parameters, idempotency_key="1", **under_way)
        refused = add(client, "b.raw")
        assert refused.status_code == 422
        assert "deletes this volume, or creates a guest on it" in refused.content.decode()
        other_one.delete()
    Operation.objects.create(kind="add_disk", guest=other, parameters=named, idempotency_key="2", **under_way)
    VolumeClaim.objects.create(key=claim_key(volume("b.raw")), guest=other)
    operation = wait_for_end(ask_host("delete_volume", host, by=admin, key=new_key(), parameters=named), 10)
    assert operation.state == "failed"
    assert "gives this volume to a guest" in operation.message
    assert add(client, "b.raw").status_code == 422


def test_what_is_still_being_uploaded_is_given_to_nobody(client: Client, worker: RunningWorker) -> None:
    Upload.objects.create(pool=Pool.objects.get(name="images"), name="b.raw", format="raw", size_bytes=8 * 2**20)
    refused = add(client, "b.raw")
    assert refused.status_code == 422
    assert "still being uploaded" in refused.content.decode()


def test_a_shareable_disk_is_given_to_two_and_a_qcow2_never(client: Client, worker: RunningWorker) -> None:
    assert add(client, "b.raw", "off-2", shareable="on").status_code == 302
    assert add(client, "b.raw").status_code == 422
    assert add(client, "b.raw", shareable="on").status_code == 302
    assert disks(worker)["vdb"] == disks(worker, "off-2")["vdb"] == "/images/b.raw"
    refused = add(client, "a.qcow2", shareable="on")
    assert refused.status_code == 422
    assert "Only a raw volume can be written by several guests" in refused.content.decode()


def test_a_medium_is_put_in_by_several_guests_changed_and_ejected(client: Client, worker: RunningWorker) -> None:
    for guest in ("off-1", "off-2"):
        assert send(client, "hda/medium/", guest, volume=volume("one.iso").pk).status_code == 302
    assert disks(worker)["hda"] == disks(worker, "off-2")["hda"] == "/images/one.iso"
    assert send(client, "hda/medium/", volume=volume("two.iso").pk).status_code == 302
    assert disks(worker)["hda"] == "/images/two.iso"
    assert send(client, "hda/eject/").status_code == 302
    assert disks(worker)["hda"] == ""
    assert send(client, "vda/medium/", volume=volume("one.iso").pk).status_code == 404
    assert send(client, "hda/medium/", volume=volume("b.raw").pk).status_code == 422  # no CD image


def test_a_disk_on_a_new_volume_is_one_form(client: Client, worker: RunningWorker) -> None:
    pool = Pool.objects.get(name="images")
    page = client.get(f"/guests/{row('off-1').pk}/disks/add/").content.decode()
    assert "On a new empty volume" in page
    assert send(client, "add-new/", pool=pool.pk, size="2 GiB", bus="virtio").status_code == 302
    assert disks(worker)["vdb"] == "/images/off-1-disk1.qcow2"
    assert volume("off-1-disk1.qcow2").capacity_bytes == 2 * 2**30
    assert send(client, "add-new/", pool=pool.pk, size="1 GiB", bus="virtio", name="own.img").status_code == 302
    assert disks(worker)["vdc"] == "/images/own.img"
    for refused, words in (
        ({"name": "own.img"}, "already has a volume of this name"),
        ({"name": "../own"}, "A name has letters"),
        ({"size": "much"}, "Type a size"),
        ({"pool": 0}, "aria-invalid"),
    ):
        answer = send(client, "add-new/", **({"pool": pool.pk, "size": "1 GiB", "bus": "virtio"} | refused))
        assert answer.status_code == 422
        assert words in answer.content.decode(), refused
    assert sorted(disks(worker)) == ["hda", "vda", "vdb", "vdc"]
    anna = person("anna")
    grant(anna, Role.ADMINISTRATOR, guest=row("off-1"))
    fields = {"pool": pool.pk, "size": "1 GiB", "bus": "virtio"}
    assert send(signed_in(anna), "add-new/", **fields).status_code == 403


def test_a_drive_is_added_empty_or_with_a_medium(client: Client, worker: RunningWorker) -> None:
    assert send(client, "add-drive/", volume="", bus="ide").status_code == 302
    assert send(client, "add-drive/", volume=volume("one.iso").pk, bus="sata").status_code == 302
    found = disks(worker)
    assert found["hdb"] == ""
    assert found["sda"] == "/images/one.iso"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"bus": "floppy"}, "aria-invalid"),
        ({"cache": "unsafe"}, "aria-invalid"),
        ({"when": "never"}, "aria-invalid"),
        ({"volume": ""}, "Choose a volume of a pool"),
    ],
)
def test_refused_values_are_told_and_nothing_is_added(
    client: Client, worker: RunningWorker, fields: dict[str, str], words: str
) -> None:
    before = disks(worker)
    refused = add(client, "b.raw", **fields)
    assert refused.status_code == 422
    assert words in refused.content.decode()
    assert disks(worker) == before
    assert not Operation.objects.exists()


def test_a_format_that_no_guest_reads_is_not_offered(client: Client, worker: RunningWorker) -> None:
    assert add(client, "old.vmdk").status_code == 422


def test_what_runs_takes_no_disk_on_ide_and_says_so(client: Client, worker: RunningWorker) -> None:
    refused = add(client, "b.raw", "web-1", bus="ide", when="both")
    assert refused.status_code == 422
    assert "choose the next boot" in refused.content.decode()
    assert add(client, "b.raw", "web-1", bus="ide").status_code == 302
    assert disks(worker, "web-1")["hda"] == "/images/b.raw"
    page = client.get(f"/guests/{row('web-1').pk}/devices/").content.decode()
    assert "from the next boot on" in page


def test_a_disk_that_changed_since_the_form_was_opened_stays(
    admin: User,  # noqa: F811
    worker: RunningWorker,
) -> None:
    parameters = {"target": "vda", "next_boot": True}
    operation = ask(
        "remove_disk", row("off-1"), by=admin, key=new_key(), parameters=parameters, before={"source": "/another"}
    )
    assert "changed since you opened the form" in wait_for_end(operation, 10).message
    assert "vda" in disks(worker)


def test_what_came_of_an_operation_that_nobody_saw_end_is_read_from_the_definitions(
    client: Client, worker: RunningWorker
) -> None:
    asked = {"pool": str(volume("b.raw").pool.uuid), "volume": "b.raw", "target": "vdb", "next_boot": True}

    def now(kind: str) -> bool | None:
        return KINDS[kind].reached(get_guest(worker.libvirt("alpha"), row("off-1").uuid), asked)

    assert (now("add_disk"), now("remove_disk"), now("grow_disk")) == (False, True, None)
    assert add(client, "b.raw").status_code == 302
    assert (now("add_disk"), now("remove_disk"), now("eject")) == (True, False, False)


def test_a_disk_only_grows_and_within_its_pool(client: Client, worker: RunningWorker) -> None:
    assert add(client, "b.raw").status_code == 302
    for size, words in (("1 MiB", "can only become larger"), ("big", "Type a size"), ("900000 TiB", "free")):
        refused = send(client, "vdb/grow/", size=size)
        assert refused.status_code == 422
        assert words in refused.content.decode(), size
    refused = send(client, "vdb/grow/", size="1 GiB")  # the test driver cannot
    assert "The driver of this host cannot do this" in refused.content.decode()
    storage = worker.service("alpha").storage
    storage.stop()  # it would make the rows say again what the host has
    storage.join(10)
    for changes, words in (
        ({"seen_format": "qcow2", "format": "qcow2"}, "looks like another format"),
        ({"format": "raw"}, "keep only their differences"),
    ):
        Volume.objects.filter(name="b.raw").update(**changes)
        if "differences" in words:
            Volume.objects.filter(name="a.qcow2").update(backing_path="/images/b.raw")
        refused = send(client, "vdb/grow/", size="1 GiB")
        assert words in refused.content.decode()


def test_operators_and_strangers_change_no_disk(worker: RunningWorker) -> None:
    guest = row("off-1")
    olga, nobody = person("olga"), person("nobody")
    grant(olga, Role.OPERATOR)
    before = disks(worker)
    for path in ("add/", "add-drive/", "vda/remove/", "vda/grow/", "hda/medium/", "hda/eject/"):
        assert signed_in(olga).post(f"/guests/{guest.pk}/disks/{path}").status_code == 403
        assert signed_in(nobody).post(f"/guests/{guest.pk}/disks/{path}").status_code == 404
    for path in ("add/", "vda/"):
        assert signed_in(olga).get(f"/guests/{guest.pk}/disks/{path}").status_code == 403
    assert disks(worker) == before


def test_an_administrator_of_one_guest_is_offered_no_volume_of_others(client: Client, worker: RunningWorker) -> None:
    assert add(client, "a.qcow2", "off-2").status_code == 302
    guest = row("off-1")
    anna = person("anna")
    grant(anna, Role.ADMINISTRATOR, guest=guest)
    mine = signed_in(anna)
    page = mine.get(f"/guests/{guest.pk}/disks/add/").content.decode()
    assert "no volume on its host that you may give" in page
    refused = add(mine, "b.raw")
    assert refused.status_code == 422
    assert "no volume on its host that you may give" in refused.content.decode()
    for name in ("a.qcow2", "b.raw", "one.iso"):  # a CD image of the library is to be read only
        wanted = {
            "pool": str(volume(name).pool.uuid),
            "volume": name,
            "device": "disk",
            "bus": "virtio",
            "next_boot": True,
        }
        with pytest.raises(PermissionDenied, match="only volumes of guests"):
            ask("add_disk", guest, by=anna, key=new_key(), parameters=wanted)
    assert send(mine, "hda/medium/", volume=volume("one.iso").pk).status_code == 302
    with pytest.raises(PermissionDenied, match="only volumes of guests"):  # nor after its own guest has it in a drive
        ask("add_disk", guest, by=anna, key=new_key(), parameters={**wanted, "volume": "one.iso"})
    assert disks(worker)["hda"] == "/images/one.iso"


@pytest.mark.django_db
def test_a_guest_without_disks_has_no_page_of_one() -> None:
    guest = make_guest(make_host("alpha"), "bare-1", definition={"disks": []}, next_boot={"disks": []})
    assert signed_in(person("olga", superuser=True)).get(f"/guests/{guest.pk}/disks/vda/").status_code == 404
