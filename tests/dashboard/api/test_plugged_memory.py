"""Memory beyond the maximum, asked for by programs: plugged in, given in parts, taken out; refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from guests.audit.models import AuditRecord
from guests.inventory.definition_json import definition_to_json
from guests.inventory.models import Guest, Host
from guests.operations.models import Operation
from guests.resources import Hotplug, MemoryDevice, NUMACell
from tests.dashboard.api.conftest import Program, error_of
from tests.dashboard.conftest import Site
from tests.guests.inventory.values import definition

Programs = Callable[..., Program]
MIB, GIB = 1024, 1 << 20
DIMM = MemoryDevice("dimm0", "dimm", 512 * MIB)
PARTS = MemoryDevice("ua-virtio-mem-1", "virtio-mem", GIB, 2 * MIB, 512 * MIB, 512 * MIB)
ASKED: dict[str, tuple[str, Any]] = {
    "POST /memory/plugged": ("plug_memory", {"model": "dimm", "kib": 512 * MIB}),
    "PATCH /memory/plugged/ua-virtio-mem-1": ("request_memory", {"requested_kib": 256 * MIB}),
    "DELETE /memory/plugged/dimm0": ("unplug_memory", None),
}


def has(*devices: MemoryDevice, ceiling_kib: int = 8 * GIB) -> None:
    hotplug = Hotplug(ceiling_kib, 4, (NUMACell("0-3", 512 * MIB),), devices)
    stored = definition_to_json(definition(hotplug=hotplug))
    Guest.objects.update(definition=stored, next_boot=stored)


@pytest.fixture(autouse=True)
def with_room(site: Site) -> None:
    has(DIMM, PARTS)
    Host.objects.update(driver="QEMU", memory_kib=16 * GIB, free_memory_kib=8 * GIB)


def send(came: Program, site: Site, address: str, asked: Any, **headers: str) -> Any:
    method, _space, path = address.partition(" ")
    return came.send(method, f"/guests/{site.web.pk}{path}", asked, **headers)


def new_operations(site: Site) -> list[Operation]:
    return list(Operation.objects.exclude(pk=site.operation.pk))


@pytest.mark.parametrize("address", ASKED)
def test_it_is_asked_for_now_and_at_the_next_boot_once_for_a_key(site: Site, program: Programs, address: str) -> None:
    kind, asked = ASKED[address]
    came = program("operator")
    for _twice in range(2):
        answer = send(came, site, address, asked, Idempotency_Key="k")
        assert answer.status_code == 202, answer.content
    (operation,) = new_operations(site)
    assert (operation.kind, operation.parameters["live"], operation.parameters["next_boot"]) == (kind, True, True)
    assert answer.json()["operations"][0]["id"] == str(operation.pk)


@pytest.mark.parametrize("address", ASKED)
@pytest.mark.parametrize("who", ["stranger", "watcher"])
def test_who_may_not_is_refused_and_recorded(site: Site, program: Programs, address: str, who: str) -> None:
    kind, asked = ASKED[address]
    error_of(send(program(who), site, address, asked), 404 if who == "stranger" else 403)
    assert new_operations(site) == []
    denied = [line.action for line in AuditRecord.objects.filter(outcome="denied")]
    assert denied == ([] if who == "stranger" else [f"guest.{kind}"])


@pytest.mark.parametrize(
    ("address", "asked", "status", "field"),
    [
        ("POST /memory/plugged", {"model": "dimm", "kib": 100 * MIB}, 422, "kib"),
        ("POST /memory/plugged", {"model": "dimm", "kib": 10**60}, 422, "kib"),
        ("POST /memory/plugged", {"model": "dimm", "kib": -1}, 422, "kib"),
        ("POST /memory/plugged", {"model": "dimm", "kib": 12 * GIB}, 422, "kib"),
        ("POST /memory/plugged", {"model": "stick", "kib": GIB}, 422, "model"),
        ("POST /memory/plugged", {"model": "dimm", "kib": GIB, "requested_kib": GIB}, 422, "requested_kib"),
        ("POST /memory/plugged", {"model": "dimm", "kib": GIB, "when": "later"}, 422, "when"),
        ("PATCH /memory/plugged/ua-virtio-mem-1", {"requested_kib": 2 * GIB}, 422, "requested_kib"),
        ("PATCH /memory/plugged/ua-virtio-mem-1", {}, 422, "requested_kib"),
        ("PATCH /memory/plugged/dimm0", {"requested_kib": 0}, 409, "device"),
        ("PATCH /memory/plugged/nothing", {"requested_kib": 0}, 404, None),
        ("DELETE /memory/plugged/nothing", None, 404, None),
        ("DELETE /memory/plugged/ua-virtio-mem-1?when=now", None, 422, "when"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_field(
    site: Site, program: Programs, address: str, asked: Any, status: int, field: str | None
) -> None:
    assert error_of(send(program("operator"), site, address, asked), status).get("field") == field
    assert new_operations(site) == []


def test_more_than_the_host_has_free_takes_force(site: Site, program: Programs) -> None:
    Host.objects.update(free_memory_kib=128 * MIB)
    came, address, asked = program("operator"), "POST /memory/plugged", {"model": "dimm", "kib": 512 * MIB}
    assert error_of(send(came, site, address, asked), 422)["field"] == "kib"
    assert send(came, site, address, {**asked, "force": True}).status_code == 202


def test_without_room_nothing_is_plugged_in(site: Site, program: Programs) -> None:
    has(ceiling_kib=0)
    answer = send(program("operator"), site, "POST /memory/plugged", {"model": "dimm", "kib": 512 * MIB})
    assert error_of(answer, 409)["code"] == "no_room"
    assert "plug_memory" not in program("operator").get(f"/guests/{site.web.pk}").json()["acts"]


def test_a_guest_tells_its_room_and_what_is_plugged_in(site: Site, program: Programs) -> None:
    told = program("operator").get(f"/guests/{site.web.pk}").json()
    assert (told["live"]["hotplug"]["ceiling_kib"], told["live"]["hotplug"]["slots"]) == (8 * GIB, 4)
    dimm, parts = told["live"]["hotplug"]["devices"]
    assert (dimm["name"], dimm["size_kib"]) == ("dimm0", 512 * MIB)
    assert (parts["requested_kib"], parts["taken_kib"]) == (512 * MIB, 512 * MIB)
    assert "plug_memory" in told["acts"]
