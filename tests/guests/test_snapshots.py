"""The tab "Snapshots": a worker serves libvirt's test driver, and libvirt is asked what happened."""

# ruff: noqa: F811 (fixtures of the worker are imported by name)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from guests.access.models import Role
from guests.inventory.models import Guest, MACUse
from guests.operations import ask, new_key, wait_for_end
from guests.operations.destinations import why_it_stays
from guests.operations.models import Operation
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in
from tests.guests.worker.conftest import RunningWorker, admin, domain, row, start_worker, until  # noqa: F401
from tests.labs.host_xml import HostXml

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def worker(host_xml: HostXml, start_worker: Callable[..., RunningWorker]) -> RunningWorker:
    """Serves web-1 (running) and off-1 (shut off) with qcow2 disks, and raw-1 whose disk is raw."""
    host_xml.add_guest("web-1", disk_format="qcow2")
    host_xml.add_guest("off-1", running=False, disk_format="qcow2")
    host_xml.add_guest("raw-1", running=False, disk_format="raw")
    running = start_worker({"alpha": host_xml.uri})
    until(lambda: Guest.objects.filter(name="web-1", usable_kib__isnull=False).exists())
    return running


@pytest.fixture
def client(admin: User) -> Client:
    return signed_in(admin)


def send(client: Client, path: str, guest: str = "web-1", status: int = 200, **form: str) -> str:
    """Post a form of the tab; its answer, or the page that follows."""
    response = client.post(f"/guests/{row(guest).pk}/snapshots/{path}", form, follow=True)
    assert response.status_code == status, response.content.decode()
    return " ".join(response.content.decode().split())


def names(worker: RunningWorker, guest: str = "web-1") -> list[str]:
    return sorted(snapshot.getName() for snapshot in domain(worker, guest).listAllSnapshots())


def test_a_snapshot_with_memory_is_taken_gone_back_to_and_deleted(worker: RunningWorker, client: Client) -> None:
    text = send(client, "take/", name="clean", description="before\r\nthe upgrade <b>")
    assert "web-1: the snapshot was taken." in text
    assert "before the upgrade &lt;b&gt;" in text
    assert "disks and memory, running" in text
    assert names(worker) == ["clean"]
    assert row("web-1").snapshots[0]["current"]
    domain(worker, "web-1").destroy()
    until(lambda: row("web-1").state == "shut-off")
    page = client.get(f"/guests/{row('web-1').pk}/snapshots/clean/revert/").content.decode()
    assert "All that web-1 wrote to its disks since then" in page
    send(client, "clean/revert/", then="as-it-was", first="on")
    assert domain(worker, "web-1").isActive()
    kept = next(name for name in names(worker) if name != "clean")
    found = {one["name"]: one for one in row("web-1").snapshots}
    assert (found["clean"]["current"], found[kept]["parent"], found[kept]["memory"]) == (True, "clean", False)
    operation = Operation.objects.get(kind="revert_to_snapshot")
    assert operation.before["state"] == "shut-off"
    assert (operation.after["state"], operation.after["current"]) == ("running", "clean")
    send(client, "clean/delete/")
    assert names(worker) == [kept]
    assert row("web-1").snapshots[0]["parent"] == ""


def test_a_guest_that_is_off_is_kept_by_its_disks_and_may_boot_after_going_back(
    worker: RunningWorker, client: Client
) -> None:
    text = send(client, "take/", "off-1", name="base")
    assert "disks, shut off" in text
    send(client, "base/revert/", "off-1", 422, then="paused")
    send(client, "base/revert/", "off-1", then="running")
    assert domain(worker, "off-1").isActive()


def test_the_tree_shows_what_was_taken_after_what(worker: RunningWorker, client: Client) -> None:
    for name in ("one", "two", "three"):
        send(client, "take/", name=name)
    send(client, "one/revert/", then="paused")
    assert domain(worker, "web-1").state()[0] == 3  # paused
    text = send(client, "take/", name="branch")
    assert [one["parent"] for one in row("web-1").snapshots if one["name"] == "branch"] == ["one"]
    assert "gh-depth-2" in text and "taken after two" in text
    page = client.get(f"/guests/{row('web-1').pk}/snapshots/two/delete/").content.decode()
    assert "three" in page and "branch" not in page.split("<form", 1)[-1].split("two/delete")[1]
    send(client, "two/delete/", children="on")
    assert names(worker) == ["branch", "one"]
    assert Operation.objects.filter(kind="delete_snapshot").get().after["deleted"] == ["three", "two"]


def test_what_was_taken_after_the_form_was_opened_does_not_go_unseen(worker: RunningWorker, admin: User) -> None:
    libvirt = domain(worker, "web-1")
    for name in ("one", "two"):
        libvirt.snapshotCreateXML(f"<domainsnapshot><name>{name}</name></domainsnapshot>", 0)
    parameters, before = {"name": "one", "children": True}, {"names": ["one"]}
    asked = ask("delete_snapshot", row("web-1"), by=admin, key=new_key(), parameters=parameters, before=before)
    assert "were taken from it since you opened the form" in wait_for_end(asked, 10).message
    assert names(worker) == ["one", "two"]
    old = ask(
        "revert_to_snapshot",
        row("web-1"),
        by=admin,
        key=new_key(),
        parameters={"name": "one"},
        before={"made_at": 1},
    )
    assert "taken anew" in wait_for_end(old, 10).message


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("2025", "not digits alone"),
        ("../etc", "Letters, digits"),
        ("-x", "Letters, digits"),
        ("a" * 64, "63"),
        ("", "required"),
        ("clean", "of this name already"),
    ],
)
def test_a_name_that_cannot_be_is_refused_at_its_field(
    worker: RunningWorker, client: Client, name: str, sentence: str
) -> None:
    send(client, "take/", name="clean")
    text = send(client, "take/", status=422, name=name)
    assert sentence in text and 'aria-invalid="true"' in text
    assert names(worker) == ["clean"]


def test_a_guest_whose_disk_is_raw_has_no_snapshots_and_the_page_says_why(
    worker: RunningWorker, client: Client, admin: User
) -> None:
    sentence = "Snapshots are kept inside qcow2 disks; of another format are: vda (raw)."
    page = client.get(f"/guests/{row('raw-1').pk}/snapshots/").content.decode()
    assert sentence in page and 'name="description"' not in page
    assert sentence in send(client, "take/", "raw-1", 422, name="no")
    asked = ask("take_snapshot", row("raw-1"), by=admin, key=new_key(), parameters={"name": "no", "description": ""})
    assert wait_for_end(asked, 10).message == sentence
    assert names(worker, "raw-1") == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"firmware": "UEFI"}, "boots by UEFI"),
        ({"disks": []}, "has no disk"),
        ({"shareable": True}, "Other guests may write to vda"),
    ],
)
def test_what_cannot_be_kept_is_said(worker: RunningWorker, client: Client, changes: Any, sentence: str) -> None:
    guest = row("off-1")
    definition = guest.definition
    if "shareable" in changes:
        definition["disks"][0]["shareable"] = True
    else:
        definition |= changes
    guest.save()
    assert sentence in client.get(f"/guests/{guest.pk}/snapshots/").content.decode()


@pytest.mark.django_db
def test_xen_and_guests_that_are_saved_have_none(client: Client) -> None:
    xen = make_guest(make_host("xen", driver="Xen"), "pv-1", definition=row_definition())
    assert "has no snapshots" in client.get(f"/guests/{xen.pk}/snapshots/").content.decode()
    saved = make_guest(
        make_host("kvm", driver="QEMU"), "web-9", state="shut-off", saved=True, definition=row_definition()
    )
    assert "is saved to the disk" in client.get(f"/guests/{saved.pk}/snapshots/").content.decode()


def row_definition() -> dict[str, Any]:
    from guests.inventory.definition_json import definition_to_json
    from guests.resources import Disk
    from tests.guests.inventory.values import definition

    return definition_to_json(definition(disks=(Disk("vda", "disk", "virtio", "file", "/guests/a.qcow2", "qcow2"),)))


def test_going_back_never_brings_a_mac_that_another_guest_has_by_now(worker: RunningWorker, client: Client) -> None:
    send(client, "take/", name="clean")
    mac = row("web-1").macs
    far = make_guest(make_host("far"), "far-1")
    MACUse.objects.filter(mac=mac).delete()
    MACUse.objects.create(guest=far, mac=mac)
    text = send(client, "clean/revert/", status=422, then="as-it-was")
    assert f"would bring back the MAC {mac}" in text


def test_snapshots_made_elsewhere_are_shown_with_the_next_reading(worker: RunningWorker, client: Client) -> None:
    libvirt = domain(worker, "off-1")
    libvirt.snapshotCreateXML("<domainsnapshot><name>by hand &lt;i&gt;</name></domainsnapshot>", 0)
    libvirt.create()
    until(lambda: row("off-1").snapshots)
    page = client.get(f"/guests/{row('off-1').pk}/snapshots/").content.decode()
    assert "by hand &lt;i&gt;" in page
    send(client, "by%20hand%20%3Ci%3E/delete/", "off-1")
    assert names(worker, "off-1") == []


def test_only_administrators_take_and_change_snapshots(worker: RunningWorker, client: Client) -> None:
    send(client, "take/", name="clean")
    guest, operator, stranger = row("web-1"), person("rui"), person("eva")
    grant(operator, Role.OPERATOR)
    page = signed_in(operator).get(f"/guests/{guest.pk}/snapshots/").content.decode()
    assert "clean" in page and "/revert/" not in page and 'name="description"' not in page
    for path in ("take/", "clean/revert/", "clean/delete/"):
        url = f"/guests/{guest.pk}/snapshots/{path}"
        assert signed_in(operator).post(url).status_code == 403
        assert signed_in(stranger).post(url).status_code == 404
        assert client.post(url.replace("clean", "never"), {"name": ""}).status_code in {404, 422}
    assert signed_in(stranger).get(f"/guests/{guest.pk}/snapshots/").status_code == 404
    assert names(worker) == ["clean"]


@pytest.mark.django_db
def test_a_guest_with_snapshots_stays_on_its_host_and_says_so() -> None:
    host = make_host("kvm", uri="qemu+ssh://kvm/system", driver="QEMU")
    one = {"name": "clean", "parent": ""}
    assert "has snapshots" in why_it_stays(make_guest(host, "web-1", snapshots=[one]))


def redefine(worker: RunningWorker, guest: str, old: str, new: str) -> None:
    """As somebody does it with virsh; returns when the row says so."""
    xml = domain(worker, guest).XMLDesc(2).replace(old, new)
    worker.libvirt("alpha").raw.defineXML(xml)
    until(lambda: new in str(row(guest).next_boot))


def test_a_disk_that_another_guest_has_by_now_does_not_come_back(worker: RunningWorker, client: Client) -> None:
    send(client, "take/", name="clean")
    mine, theirs = (row(name).next_boot["disks"][0]["source"] for name in ("web-1", "off-1"))
    redefine(worker, "off-1", theirs, mine)
    assert "the disk vda, which another guest has by now" in send(client, "clean/revert/", status=422)


def test_who_administrates_only_the_guest_gets_no_network_back_that_it_has_no_more(
    worker: RunningWorker, client: Client
) -> None:
    send(client, "take/", "off-1", name="clean")
    guest, owner = row("off-1"), person("ana")
    assert guest.snapshots[0]["reaches"] == [f"disk:{guest.definition['disks'][0]['source']}", "network:default"]
    grant(owner, Role.ADMINISTRATOR, guest=guest)
    redefine(worker, "off-1", "default", "dmz")
    text = send(signed_in(owner), "clean/revert/", "off-1", 422)
    assert "Then it had networks, disks or devices of the host that it has no more" in text
    assert not Operation.objects.filter(kind="revert_to_snapshot").exists()
    redefine(worker, "off-1", "dmz", "default")
    assert "off-1 is what it was then." in send(signed_in(owner), "clean/revert/", "off-1")


def test_snapshots_in_files_of_their_own_are_shown_only(worker: RunningWorker, client: Client, admin: User) -> None:
    domain(worker, "web-1").snapshotCreateXML(
        """<domainsnapshot><name>outside</name><memory snapshot="external" file="/guests/memory"/>
        <disks><disk name="vda" snapshot="external"><source file="/guests/over"/></disk></disks></domainsnapshot>""",
        0,
    )
    domain(worker, "web-1").suspend()
    until(lambda: row("web-1").snapshots)
    page = client.get(f"/guests/{row('web-1').pk}/snapshots/").content.decode()
    assert "made elsewhere" in page and "outside/revert" not in page
    for kind in ("revert_to_snapshot", "delete_snapshot"):
        asked = ask(kind, row("web-1"), by=admin, key=new_key(), parameters={"name": "outside"})
        assert "made outside Guesthouse" in wait_for_end(asked, 10).message
    send(client, "outside/delete/", status=404)
    assert names(worker) == ["outside"]


def test_memory_that_may_have_no_room_is_not_kept(worker: RunningWorker, client: Client) -> None:
    guest = row("web-1")
    source = guest.definition["disks"][0]["source"]
    pool = guest.host.pools.create(uuid=guest.uuid, name="images", kind="dir", active=True, available_bytes=1024)
    pool.volumes.create(name="a", path=source, format="qcow2", seen_format="qcow2", kind="file")
    text = send(client, "take/", status=422, name="clean")
    assert "The pool images has 1 KiB free, and the memory of web-1 may need 256" in text
    assert names(worker) == []
