"""Memory beyond the maximum through its page: a worker serves libvirt's test driver, which plugs into nothing that
runs, so what runs is shown by rows; real guests are in tests/live.
"""

# ruff: noqa: F811 (fixtures of the worker are imported by name)
from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import libvirt
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from guests.access.models import Grant, Role
from guests.audit.models import AuditRecord
from guests.inventory.definition_json import definition_to_json
from guests.inventory.models import Guest
from guests.operations import ask, new_key
from guests.operations.models import Operation
from guests.resources import Hotplug, MemoryDevice, NUMACell
from guests.views.operation_words import describe
from tests.guests.inventory.values import definition
from tests.guests.inventory_rows import GIB, grant, make_guest, make_host, person, signed_in
from tests.guests.worker.conftest import RunningWorker, admin, domain, row, start_worker, worker  # noqa: F401

pytestmark = pytest.mark.timeout(60)

MIB = 1024
DIMM = MemoryDevice("dimm0", "dimm", 512 * MIB)
PARTS = MemoryDevice("ua-virtio-mem-1", "virtio-mem", GIB, 2 * MIB, 512 * MIB, 256 * MIB)
COMING = replace(PARTS, taken_kib=None)  # as a next boot tells it


@pytest.fixture
def client(admin: User) -> Client:
    return signed_in(admin)


def send(client: Client, guest: str, what: str, status: int = 200, /, **form: str) -> str:
    response = client.post(f"/guests/{row(guest).pk}/memory/plugged/{what}/", form, follow=True)
    assert response.status_code == status, response.content.decode()
    return " ".join(response.content.decode().split())


def later(worker: RunningWorker, guest: str = "off-1") -> ElementTree.Element:
    return ElementTree.fromstring(domain(worker, guest).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))


def plugged(*devices: MemoryDevice) -> dict[str, Any]:
    """A definition with room for 8 GiB, as a row has it."""
    hotplug = Hotplug(8 * GIB, 4, (NUMACell("0-3", 4 * GIB),), devices)
    return definition_to_json(definition(hotplug=hotplug))


def with_room() -> dict[str, Any]:
    return {"definition": plugged(), "next_boot": plugged()}


def test_room_is_made_for_the_next_boot_and_taken_away_again(worker: RunningWorker, client: Client) -> None:
    text = send(client, "web-1", "room", ceiling="2 GiB", slots="4")
    assert "There is room for more memory. This is so from the next boot on" in text
    assert "From the next boot on there is room for 2.0 GiB, in 4 slots." in text
    room, cell = later(worker, "web-1").find("maxMemory"), later(worker, "web-1").find("cpu/numa/cell")
    assert room is not None
    assert cell is not None
    assert (room.text, room.get("slots"), cell.get("cpus"), cell.get("memory")) == (
        str(2 * GIB),
        "4",
        "0-3",
        str(512 * MIB),
    )
    operation = Operation.objects.get(kind="make_memory_room")
    assert (operation.before, operation.after["slots"]) == ({"ceiling_kib": 0, "slots": 0}, 4)
    assert (describe(operation).wanted, describe(operation).where) == ("2.0 GiB, 4 slots", "at next boot")
    assert AuditRecord.objects.filter(action="guest.make_memory_room.ended", outcome="ok").exists()
    assert "The room was taken away." in send(client, "web-1", "no-room")
    assert later(worker, "web-1").find("maxMemory") is None
    assert later(worker, "web-1").find("cpu/numa") is None


@pytest.mark.parametrize(
    ("ceiling", "words"),
    [
        ("512 MiB", "It has 512 MiB already: 640 MiB at least."),
        ("many", "Type a number with MiB or GiB"),
        ("9999 GiB", "in all."),
    ],
)
def test_impossible_room_is_refused_at_its_field_with_what_was_typed(
    worker: RunningWorker, client: Client, ceiling: str, words: str
) -> None:
    text = send(client, "off-1", "room", 422, ceiling=ceiling, slots="4")
    assert words in text
    assert f'value="{ceiling}"' in text
    assert not Operation.objects.exists()


def test_of_a_guest_that_is_off_memory_is_plugged_into_the_next_boot(worker: RunningWorker, client: Client) -> None:
    send(client, "off-1", "room", ceiling="2 GiB", slots="2")
    assert "Memory was plugged in." in send(client, "off-1", "plug", model="dimm", size="128 MiB", when="boot")
    text = send(client, "off-1", "plug", model="virtio-mem", size="256 MiB", requested="0", when="boot")
    assert "0 of 2 slots are free. The guest is off: what is plugged in is there from its next boot on." in text
    assert [m.get("model") for m in later(worker).iterfind("devices/memory")] == ["dimm", "virtio-mem"]
    assert (row("off-1").current_kib, row("off-1").maximum_kib) == (384 * MIB, 896 * MIB)
    first, second = (describe(o) for o in Operation.objects.filter(kind="plug_memory").order_by("asked_at"))
    assert (first.wanted, second.wanted) == ("DIMM 128 MiB", "virtio-mem 256 MiB, 0 MiB of it")
    assert "All its 2 slots are taken." in send(client, "off-1", "plug", 422, model="dimm", size="128 MiB", when="boot")

    dimm, parts = (device["name"] for device in row("off-1").definition["hotplug"]["devices"])
    text = send(client, "off-1", "request", 422, name=parts, requested="3 MiB", when="boot")
    assert "This device gives multiples of 2 MiB." in text
    send(client, "off-1", "request", name=parts, requested="64 MiB", when="boot")
    assert row("off-1").current_kib == 448 * MIB
    asked = describe(Operation.objects.get(kind="request_memory"))
    assert (asked.before, asked.wanted, asked.where) == ("0 MiB", "64 MiB", "at next boot")
    send(client, "off-1", "no-room", 404)  # not while something is plugged in
    for name in (dimm, parts):
        send(client, "off-1", "unplug", name=name, when="boot")
    assert row("off-1").definition["hotplug"]["devices"] == []
    assert (row("off-1").current_kib, row("off-1").maximum_kib) == (256 * MIB, 512 * MIB)
    assert describe(Operation.objects.filter(kind="unplug_memory").latest("asked_at")).wanted == f"{parts} 256 MiB"
    send(client, "off-1", "unplug", 404, name=dimm, when="boot")


def test_what_the_driver_refuses_is_said_and_changes_nothing(worker: RunningWorker, client: Client) -> None:
    send(client, "web-1", "room", ceiling="2 GiB", slots="2")
    text = send(client, "web-1", "plug", model="dimm", size="128 MiB", when="boot")
    assert "from the next boot on" in text
    send(client, "web-1", "plug", 422, model="dimm", size="128 MiB", when="both")  # it runs without room
    refused = ask(
        "plug_memory",
        row("web-1"),
        by=User.objects.get(username="admin"),
        key=new_key(),
        parameters={"model": "dimm", "name": "ua-dimm-2", "kib": 128 * MIB, "live": True, "next_boot": False},
    )
    from guests.operations import wait_for_end

    assert (
        wait_for_end(refused, 10).message
        == "It was booted without room for more memory: make room for its next boot first."
    )


def test_resizing_goes_on_beside_the_room(worker: RunningWorker, client: Client) -> None:
    send(client, "off-1", "room", ceiling="2 GiB", slots="2")
    pk = row("off-1").pk
    now = {"current": "256", "current_unit": "MiB", "maximum_unit": "GiB"}
    client.post(f"/guests/{pk}/memory/", now | {"maximum": "1"})
    client.post(f"/guests/{pk}/vcpus/", {"current": "1", "maximum": "2", "keep": "on"})
    cell = later(worker).find("cpu/numa/cell")
    assert cell is not None
    assert (cell.get("cpus"), cell.get("memory")) == ("0-1", str(GIB))
    assert (row("off-1").maximum_kib, row("off-1").vcpus_maximum) == (GIB, 2)
    text = client.post(f"/guests/{pk}/memory/", now | {"maximum": "2.5"}).content.decode()
    assert "off-1 has room for 2.0 GiB: make more room first" in text


@pytest.mark.django_db
def test_the_page_tells_what_was_asked_what_the_guest_has_and_what_comes_with_the_next_boot() -> None:
    boot = plugged(COMING, replace(COMING, name="ua-virtio-mem-2"))
    guest = make_guest(make_host(driver="QEMU"), "web-1", definition=plugged(DIMM, PARTS), next_boot=boot)
    client = signed_in(person("admin", superuser=True))
    text = " ".join(client.get(f"/guests/{guest.pk}/resources/").content.decode().split())
    assert "There is room for 8.0 GiB of memory; 2 of 4 slots are free." in text
    rows = re.findall(r"<tr>(.*?)</tr>", text.split("guest-plugged-now")[1].split("</section>")[0])[1:]
    plain = [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in rows]
    assert plain == [
        "virtio-mem ua-virtio-mem-1 1.0 GiB 512 MiB 256 MiB",
        "DIMM dimm0 gone at the next boot 512 MiB – 512 MiB",
        "virtio-mem ua-virtio-mem-2 from the next boot on 1.0 GiB 512 MiB –",
    ]
    text = client.get(f"/guests/{guest.pk}/memory/plugged/").content.decode()
    assert text.count('action="/guests/') >= 6
    assert "Take the room away" not in text
    assert 'value="512 MiB"' in text


@pytest.mark.django_db
def test_an_operator_plugs_in_as_much_as_the_role_gives_and_makes_no_room() -> None:
    guest = make_guest(make_host(driver="QEMU"), "web-1", **with_room())
    olga = person("olga")
    client = signed_in(olga)
    url = f"/guests/{guest.pk}/memory/plugged/"
    assert client.get(url).status_code == 404
    held = grant(olga, Role.WATCHER, guest=guest)
    assert client.get(url).status_code == 403
    assert client.post(f"{url}plug/", {}).status_code == 403
    Grant.objects.filter(pk=held.pk).update(role=Role.OPERATOR, largest_memory_kib=2 * GIB + 256 * MIB)
    text = client.get(url).content.decode()
    assert "Plug in memory" in text
    assert "Make room" not in text
    assert client.post(f"{url}room/", {"ceiling": "8 GiB", "slots": "4"}).status_code == 403
    answer = client.post(f"{url}plug/", {"model": "dimm", "size": "512 MiB", "when": "both"})
    assert answer.status_code == 422
    assert "Your role lets you give this guest at most 2.2 GiB." in answer.content.decode()
    asked = {"name": "ua-dimm-1", "kib": 512 * MIB, "live": True, "next_boot": False}
    with pytest.raises(PermissionDenied, match=r"at most 2\.2 GiB"):
        ask("plug_memory", guest, by=olga, key=new_key(), parameters=asked | {"model": "dimm"})
    parts = asked | {"model": "virtio-mem", "requested_kib": 128 * MIB}
    assert ask("plug_memory", guest, by=olga, key=new_key(), parameters=parts).state == "queued"
    with pytest.raises(PermissionDenied):
        ask("make_memory_room", guest, by=olga, key=new_key(), parameters={"ceiling_kib": 8 * GIB, "slots": 4})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"model": "dimm", "size": "100 MiB"}, "Memory is plugged in by multiples of 128 MiB."),
        ({"model": "dimm", "size": "5 GiB"}, "It has room for 4.0 GiB more."),
        ({"model": "dimm", "size": "0"}, "0 is not possible"),
        ({"model": "dimm", "size": ""}, "required"),
        ({"model": "dimm", "size": "128 MiB", "requested": "64 MiB"}, "A DIMM is given whole: leave this empty."),
        ({"model": "virtio-mem", "size": "128 MiB", "requested": "1 GiB"}, "This device gives at most 128 MiB."),
        ({"model": "virtio-mem", "size": "128 MiB", "requested": "1 MiB"}, "This device gives multiples of 2 MiB."),
        ({"model": "nvdimm", "size": "128 MiB"}, "nvdimm"),
        ({"model": "dimm", "size": "2 GiB"}, "kvm-01 has 1.0 GiB free, less than this adds"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_field(form: dict[str, str], words: str) -> None:
    guest = make_guest(make_host(driver="QEMU", free_memory_kib=GIB), "web-1", **with_room())
    client = signed_in(person("admin", superuser=True))
    answer = client.post(f"/guests/{guest.pk}/memory/plugged/plug/", form | {"when": "both"})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert words in text
    if form["size"]:
        assert f'value="{form["size"]}"' in text
    assert ("Do it all the same" in text) == ("free" in words)
    assert not Operation.objects.exists()


@pytest.mark.django_db
def test_xen_and_guests_without_room_are_told_so() -> None:
    client = signed_in(person("admin", superuser=True))
    xen = make_guest(make_host("xen-01", driver="Xen"), "web-1")
    text = client.get(f"/guests/{xen.pk}/memory/plugged/").content.decode()
    assert "The driver of this host cannot plug in memory." in text
    assert "Nothing of this can be changed now." in text
    assert client.post(f"/guests/{xen.pk}/memory/plugged/room/", {"ceiling": "9 GiB", "slots": "1"}).status_code == 404
    plain = make_guest(make_host("kvm-02", driver="QEMU"), "web-2", state="shut-off")
    text = client.get(f"/guests/{plain.pk}/memory/plugged/").content.decode()
    assert "There is no room for memory beyond the maximum." in text
    assert "Make room" in text
    assert client.post(f"/guests/{plain.pk}/memory/plugged/plug/", {"model": "dimm"}).status_code == 404
    assert client.post(f"/guests/{plain.pk}/memory/plugged/nothing/").status_code == 404


@pytest.mark.django_db
def test_what_is_plugged_in_costs_no_query() -> None:
    guest = make_guest(make_host(driver="QEMU"), "web-1", **with_room())
    client = signed_in(person("admin", superuser=True))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"/guests/{guest.pk}/memory/plugged/").status_code == 200
        return len(captured)

    queries()
    few = queries()
    devices = [replace(PARTS, name=f"ua-virtio-mem-{number}") for number in range(20)]
    Guest.objects.filter(pk=guest.pk).update(definition=plugged(*devices))
    assert queries() == few
