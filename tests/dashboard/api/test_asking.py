"""Asking for changes: with the pages' rules and sentences, once for each key, in the record with the token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from guests.audit.models import AuditRecord
from guests.inventory.models import Guest, Host
from guests.operations.models import Operation
from tests.dashboard.api.conftest import Program, error_of
from tests.dashboard.conftest import Site

Programs = Callable[..., Program]
MIB = 1024
ASKED = {"power": {"act": "pause"}, "memory": {"current_kib": 300 * MIB}, "vcpus": {"current": 2}}


@pytest.fixture(autouse=True)
def resizable(site: Site) -> None:
    Guest.objects.update(
        has_balloon=True,
        next_boot_current_kib=262144,
        next_boot_maximum_kib=524288,
        next_boot_vcpus_current=1,
        next_boot_vcpus_maximum=2,
    )
    Host.objects.update(memory_kib=4 << 20, free_memory_kib=1 << 20)


def asked(answer: Any, status: int = 202) -> list[dict[str, Any]]:
    assert answer.status_code == status, answer.content
    operations: list[dict[str, Any]] = answer.json()["operations"]
    assert answer["Location"] == f"/api/v1/operations/{operations[0]['id']}"
    return operations


def new_operations(site: Site) -> list[Operation]:
    return list(Operation.objects.exclude(pk=site.operation.pk).order_by("asked_at"))


def test_a_power_act_is_asked_for_by_the_token(site: Site, program: Programs) -> None:
    came = program("operator")
    told = asked(came.post(f"/guests/{site.web.pk}/power", {"act": "pause"}))
    operation = new_operations(site)[0]
    assert told[0]["id"] == str(operation.pk)
    assert (told[0]["state"], told[0]["is_over"], told[0]["asked_by"]) == ("queued", False, "operator")
    assert (operation.kind, operation.guest, operation.before) == ("pause", site.web, {"state": "running"})
    assert (operation.asked_by, operation.asked_with) == (site.people["operator"], came.token)
    line = AuditRecord.objects.get(action="guest.pause")
    assert (line.user_name, line.address, line.detail["with_token"]) == ("operator", "127.0.0.1", str(came.token))


def test_memory_moves_now_and_for_the_next_boot(site: Site, program: Programs) -> None:
    asked_for = {"current_kib": 384 * MIB, "maximum_kib": 1024 * MIB}
    told = asked(program("operator").post(f"/guests/{site.web.pk}/memory", asked_for))
    assert [(o["kind"], o["wanted"]) for o in told] == [
        ("set_maximum_memory", {"kib": 1024 * MIB}),
        ("set_current_memory", {"kib": 384 * MIB, "live": True, "next_boot": True, "force": False}),
    ]


def test_what_is_left_out_stays(site: Site, program: Programs) -> None:
    Guest.objects.update(next_boot_current_kib=128 * MIB)
    told = asked(program("operator").post(f"/guests/{site.web.pk}/memory", {"maximum_kib": 1024 * MIB}))
    assert [(o["kind"], o["wanted"]) for o in told] == [("set_maximum_memory", {"kib": 1024 * MIB})]
    told = asked(program("operator").post(f"/guests/{site.hostile.pk}/vcpus", {"maximum": 4}))
    assert [(o["kind"], o["wanted"]) for o in told] == [("set_maximum_vcpus", {"count": 4})]


def test_vcpus_come_now_only_where_so_asked(site: Site, program: Programs) -> None:
    told = asked(program("operator").post(f"/guests/{site.web.pk}/vcpus", {"current": 2, "keep": False}))
    assert [(o["kind"], o["wanted"]) for o in told] == [("set_vcpus", {"count": 2, "live": True, "next_boot": False})]


@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize("who", ["stranger", "watcher", "reading"])
def test_who_may_not_is_refused_and_recorded(site: Site, program: Programs, what: str, who: str) -> None:
    came = program("operator", "read") if who == "reading" else program(who)
    answer = came.post(f"/guests/{site.web.pk}/{what}", ASKED[what])
    error = error_of(answer, 404 if who == "stranger" else 403)
    if who == "reading":
        assert error["sentence"] == "This token may only read. Make one that may also operate."
    assert new_operations(site) == []
    denied = AuditRecord.objects.filter(outcome="denied")
    expected = [] if who == "stranger" else [f"guest.{'pause' if what == 'power' else what}"]
    assert [line.action for line in denied] == expected
    assert all(line.detail["with_token"] == str(came.token) for line in denied)


@pytest.mark.parametrize("what", ASKED)
def test_a_token_for_another_guest_cannot_ask(site: Site, program: Programs, what: str) -> None:
    error_of(program("operator", guests=[site.hostile]).post(f"/guests/{site.web.pk}/{what}", ASKED[what]), 404)
    assert new_operations(site) == []


@pytest.mark.parametrize("what", ASKED)
def test_get_asks_for_nothing(site: Site, program: Programs, what: str) -> None:
    error_of(program("operator").get(f"/guests/{site.web.pk}/{what}"), 405)
    assert new_operations(site) == []


@pytest.mark.parametrize(
    ("what", "body", "status", "field", "sentence"),
    [
        ("power", {"act": "explode"}, 422, "act", "“act” does not fit"),
        ("power", {}, 422, "act", "“act” does not fit"),
        ("power", {"act": "start"}, 409, "act", "Start does not fit: look at what web-1 does now."),
        ("power", "{", 400, None, "The body of the request is no JSON that can be read."),
        ("power", "[]", 422, None, "“body” does not fit"),
        ("memory", {}, 422, "current_kib", "Nothing would change: this is what web-1 has."),
        ("memory", {"current_kib": 0}, 422, "current_kib", "A guest needs some memory: 0 is not possible."),
        ("memory", {"current_kib": -5}, 422, "current_kib", "Memory cannot be negative."),
        ("memory", {"current_kib": "5"}, 422, "current_kib", "“current_kib” does not fit"),
        ("memory", {"current": 5}, 422, "current", "“current” does not fit"),
        ("memory", {"current_kib": 10**30}, 422, "current_kib", "Type a number with MiB or GiB"),
        ("memory", {"current_kib": 600 * MIB, "keep": False}, 422, "current_kib", "More than the maximum memory"),
        ("memory", {"maximum_kib": 100 * MIB}, 422, "maximum_kib", "Less than the current memory of web-1"),
        ("memory", {"maximum_kib": 9 << 20}, 422, "maximum_kib", "alpha has 4.0 GiB in all."),
        ("vcpus", {"current": 0}, 422, "current", "A guest needs at least one vCPU."),
        ("vcpus", {"current": 9}, 422, "current", "More than the maximum of web-1, 2 vCPUs."),
        ("vcpus", {"current": 5000}, 422, "current", "No host can give so many vCPUs."),
        ("vcpus", {"current": 2, "before": {"current": 4}}, 422, "current", "web-1 changed since"),
        ("vcpus", {"current": 2, "before": {"state": "shut-off"}}, 422, "current", "web-1 was started since"),
        ("memory", {"current_kib": 300 * MIB, "before": {"current_kib": 1}}, 422, "current_kib", "web-1 changed since"),
    ],
)
def test_values_that_do_not_fit_are_refused_at_their_field(
    site: Site, program: Programs, what: str, body: Any, status: int, field: str | None, sentence: str
) -> None:
    error = error_of(program("operator").post(f"/guests/{site.web.pk}/{what}", body), status)
    assert error.get("field") == field
    assert error["sentence"].startswith(sentence)
    assert new_operations(site) == []


def test_a_role_s_limits_hold(site: Site, program: Programs) -> None:
    site.people["operator"].grants.update(largest_vcpus=1)
    error = error_of(program("operator").post(f"/guests/{site.web.pk}/vcpus", {"current": 2}), 422)
    assert error["sentence"].startswith("Your role lets you give this guest at most 1 vCPU")


def test_what_the_guest_uses_is_only_taken_by_force(site: Site, program: Programs) -> None:
    Guest.objects.update(usable_kib=10 * MIB)
    came, body = program("operator"), {"current_kib": 128 * MIB}
    assert error_of(came.post(f"/guests/{site.web.pk}/memory", body), 422)["field"] == "current_kib"
    told = asked(came.post(f"/guests/{site.web.pk}/memory", {**body, "force": True}))
    assert told[0]["wanted"]["force"] is True


@pytest.mark.parametrize("what", ASKED)
def test_the_same_key_asks_once(site: Site, program: Programs, what: str) -> None:
    came, path = program("operator"), f"/guests/{site.web.pk}/{what}"
    first = asked(came.post(path, ASKED[what], Idempotency_Key="deploy 7"))
    Guest.objects.update(state="paused", current_kib=300 * MIB, next_boot_current_kib=300 * MIB, vcpus_current=2)
    again = asked(came.post(path, ASKED[what], Idempotency_Key="deploy 7"))
    assert [operation["id"] for operation in again] == [operation["id"] for operation in first]
    assert len(new_operations(site)) == len(first)


def test_a_key_is_for_one_change_of_one_token(site: Site, program: Programs) -> None:
    came, path = program("operator"), f"/guests/{site.web.pk}/power"
    asked(came.post(path, {"act": "pause"}, Idempotency_Key="k"))
    for other_path, body in ((path, {"act": "reboot"}), (f"/guests/{site.hostile.pk}/power", {"act": "pause"})):
        error = error_of(came.post(other_path, body, Idempotency_Key="k"), 409)
        assert (error["code"], error["field"]) == ("key_used", "Idempotency-Key")
    asked(program("operator").post(path, {"act": "reboot"}, Idempotency_Key="k"))
    assert len(new_operations(site)) == 2
    error_of(came.post(path, {"act": "pause"}, Idempotency_Key="x" * 201), 422)


def test_without_a_key_each_request_asks(site: Site, program: Programs) -> None:
    came = program("operator")
    for _ in range(2):
        asked(came.post(f"/guests/{site.web.pk}/power", {"act": "reboot"}))
    assert len(new_operations(site)) == 2


def test_the_end_is_waited_for_no_longer_than_asked(site: Site, program: Programs) -> None:
    came = program("operator")
    asked(came.post(f"/guests/{site.web.pk}/power?wait=0.05", {"act": "pause"}))
    for wait in ("2.1", "-1", "x"):
        error = error_of(came.post(f"/guests/{site.web.pk}/power?wait={wait}", {"act": "pause"}), 422)
        assert error["field"] == "wait"


def test_an_end_answers_200_also_where_it_failed(site: Site, program: Programs) -> None:
    came, path = program("operator"), f"/guests/{site.web.pk}/power"
    asked(came.post(path, {"act": "pause"}, Idempotency_Key="k"))
    Operation.objects.filter(kind="pause").update(state="failed", message="The host does not answer.", field="current")
    told = asked(came.post(path, {"act": "pause"}, Idempotency_Key="k"), 200)
    assert (told[0]["state"], told[0]["is_over"], told[0]["message"]) == ("failed", True, "The host does not answer.")


def test_a_queued_operation_is_cancelled_and_one_that_is_over_is_not(site: Site, program: Programs) -> None:
    came = program("operator")
    made = asked(came.post(f"/guests/{site.web.pk}/power", {"act": "pause"}))[0]
    error_of(program("watcher").post(f"/operations/{made['id']}/cancel"), 403)
    error_of(program("operator", "read").post(f"/operations/{made['id']}/cancel"), 403)
    error_of(came.get(f"/operations/{made['id']}/cancel"), 405)
    told = came.post(f"/operations/{made['id']}/cancel")
    assert (told.status_code, told.json()["cancel_asked"], told.json()["cancellable"]) == (200, True, False)
    assert error_of(came.post(f"/operations/{site.operation.pk}/cancel"), 409)["code"] == "too_late"
    lines = AuditRecord.objects.filter(action="guest.pause.cancel").order_by("id")
    assert [line.outcome for line in lines] == ["denied", "denied", "ok"]
