"""What the API tells: the same as the pages, to the same people, in a constant number of queries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from guests.inventory.addresses import GuestAddresses
from guests.inventory.definition_json import definition_to_json
from guests.inventory.models import Guest, Host, Tag
from guests.operations.models import Operation
from guests.resources import Memory
from tests.dashboard.api.conftest import Program, error_of
from tests.dashboard.conftest import HOSTILE_NAME, Site
from tests.guests.inventory.values import definition

Programs = Callable[..., Program]


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [item["name"] for item in answer.json()["items"]]


def test_a_token_says_whose_it_is(site: Site, program: Programs) -> None:
    came = program("watcher", "read", hosts=[site.alpha])
    assert came.get("/").json() == {
        "user": "watcher",
        "token": came.token.name,
        "ability": "read",
        "is_limited": True,
        "expires_at": came.token.expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def test_B4_lists_know_only_what_one_may_see(site: Site, program: Programs) -> None:
    came = program("watcher")
    assert set(names(came.get("/guests"))) == {"web-1", HOSTILE_NAME}
    assert came.get("/guests").json()["total"] == 2
    assert names(came.get("/hosts")) == ["alpha"]
    assert names(came.get("/find?q=far-1")) == []
    assert names(program("watcher", guests=[site.web]).get("/guests")) == ["web-1"]
    assert names(program("stranger").get("/guests")) == []
    assert set(names(program("root").get("/guests"))) == {"web-1", HOSTILE_NAME, "far-1"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=web", ["web-1"]),
        ("q=far", ["far-1"]),
        ("host=beta", ["far-1"]),
        ("state=shut-off", ["far-1"]),
        ("state=running&sort=-id", ["<hostile>", "web-1"]),
        ("sort=-memory&host=alpha", ["web-1", "<hostile>"]),
        ("pending=true", ["web-1"]),
        ("tag=front", ["web-1"]),
        ("page=2", []),
    ],
)
def test_the_list_is_searched_filtered_and_sorted_as_the_page(
    site: Site, program: Programs, query: str, found: list[str]
) -> None:
    Guest.objects.filter(pk=site.far.pk).update(state="shut-off", domain_id=None)
    Guest.objects.filter(pk=site.web.pk).update(
        current_kib=300000, next_boot_current_kib=300000, next_boot_maximum_kib=999999
    )
    site.web.tags.add(Tag.objects.create(name="front"))
    shown = [name.replace(HOSTILE_NAME, "<hostile>") for name in names(program("root").get(f"/guests?{query}"))]
    assert shown == found


@pytest.mark.parametrize("query", ["sort=size", "state=broken", "page=0", "page=x", "pending=maybe", "q=" + 201 * "x"])
def test_a_list_that_makes_no_sense_is_refused(site: Site, program: Programs, query: str) -> None:
    error = error_of(program("root").get(f"/guests?{query}"), 422)
    assert error["field"] == query.partition("=")[0]


def test_the_list_s_pages_follow_each_other(site: Site, program: Programs) -> None:
    more_guests(site.alpha, 250)
    came = program("watcher")
    pages = [came.get(f"/guests?page={number}").json() for number in (1, 2, 3, 4)]
    assert [len(page["items"]) for page in pages] == [100, 100, 52, 0]
    assert {(page["total"], page["pages"]) for page in pages} == {(252, 3)}
    assert len({item["id"] for page in pages for item in page["items"]}) == 252


def test_queries_do_not_grow(site: Site, program: Programs) -> None:
    came = program("watcher")
    paths = ("/guests", "/find?q=g", "/hosts", "/hosts/alpha", "/operations", f"/guests/{site.web.pk}")
    came.get("/guests")  # the first one notes the use of the token
    before = [queries_of(came, path) for path in paths]
    more_guests(site.alpha, 60)
    assert [queries_of(came, path) for path in paths] == before
    assert max(before) <= 8


def queries_of(came: Program, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert came.get(path).status_code == 200
    return len(queries)


def more_guests(host: Host, number: int) -> None:
    tag = Tag.objects.create(name="many")
    for n in range(number):
        identity = UUID(int=n + 100)
        guest = Guest.objects.create(id=identity, uuid=identity, host=host, name=f"g{n}", state="running", domain_id=n)
        guest.tags.add(tag)
        Operation.objects.create(kind="start", host=host, guest=guest, asked_by_name="x", idempotency_key=f"{n}")


def test_one_guest_is_told_live_and_for_the_next_boot(site: Site, program: Programs) -> None:
    live, later = definition(), definition(memory=Memory(262144, 1048576))
    Guest.objects.filter(pk=site.web.pk).update(
        definition=definition_to_json(live),
        next_boot=definition_to_json(later),
        next_boot_current_kib=262144,
        next_boot_maximum_kib=1048576,
        usable_kib=100000,
        disk_usage=[{"target": "vda", "read_bytes": 1, "read_rate": 2.0}],
    )
    site.web.tags.add(Tag.objects.create(name="front"))
    told = program("operator").get(f"/guests/{site.web.pk}").json()
    assert told["memory"] == {
        "current_kib": 262144,
        "maximum_kib": 524288,
        "balloon_kib": None,
        "used_kib": 162144,
        "next_boot": {"current_kib": 262144, "maximum_kib": 1048576},
    }
    assert told["pending"] is True
    assert (told["live"]["memory"]["maximum_kib"], told["next_boot"]["memory"]["maximum_kib"]) == (
        live.memory.maximum_kib,
        1048576,
    )
    assert [disk["target"] for disk in told["live"]["disks"]] == [disk.target for disk in live.disks]
    assert told["live"]["text_consoles"][0]["url"].startswith(f"/guests/{site.web.pk}/console/text/")
    assert (told["disk_use"][0]["read_rate"], told["disk_use"][0]["written_rate"]) == (2.0, None)
    assert told["tags"] == ["front"]
    assert (told["role"], told["acts"]) == (
        "operator",
        ["shut_down", "pause", "reboot", "reset", "save", "force_off", "memory", "vcpus", "settings"],
    )


def test_what_may_be_asked_follows_the_token(site: Site, program: Programs) -> None:
    for came in (program("watcher"), program("operator", "read")):
        told = came.get(f"/guests/{site.web.pk}").json()
        assert (told["role"], told["acts"]) == ("watcher", [])


def test_a_silent_host_s_guests_are_unknown(site: Site, program: Programs) -> None:
    Host.objects.update(seen_at=timezone.now() - timedelta(hours=1))
    Guest.objects.update(cpu_percent=50, usable_kib=1000, sent_rate=5)
    told = program("operator").get(f"/guests/{site.web.pk}").json()
    assert (told["state"], told["last_state"], told["cpu_percent"], told["sent_rate"]) == (
        "unknown",
        "running",
        None,
        None,
    )
    assert (told["memory"]["used_kib"], told["acts"]) == (None, [])
    host = program("operator").get("/hosts/alpha").json()
    assert (host["answers"], host["state"]) == (False, "up")


def test_the_last_hour_is_a_number_for_each_minute(site: Site, program: Programs) -> None:
    Guest.objects.filter(pk=site.web.pk).update(cpu_history="10,,30", history_minute=1000)
    minutes = program("watcher").get(f"/guests/{site.web.pk}/samples").json()["minutes"]
    assert minutes == [
        {"at": "1970-01-01T16:38:00Z", "cpu_percent": 10.0},
        {"at": "1970-01-01T16:39:00Z", "cpu_percent": None},
        {"at": "1970-01-01T16:40:00Z", "cpu_percent": 30.0},
    ]


def test_find_is_exact_first(site: Site, program: Programs) -> None:
    came = program("root")
    assert names(came.get("/find?q=far-1")) == ["far-1"]
    assert names(came.get("/find?q=-1")) == ["far-1", "web-1"]
    assert names(came.get(f"/find?q={site.web.pk}")) == ["web-1"]
    assert names(came.get("/find?q=%00")) == []
    assert error_of(came.get("/find"), 422)["field"] == "q"


def test_a_host_is_told_with_what_its_guests_hold(site: Site, program: Programs) -> None:
    Host.objects.filter(pk=site.alpha.pk).update(memory_kib=8 << 20, cpus=4, detail="libvirt's words")
    answer = program("watcher").get("/hosts/alpha")
    told = answer.json()
    assert (told["guests"], told["active_guests"], told["given_kib"], told["promised_kib"]) == (2, 2, 524288, 1048576)
    assert (told["memory_kib"], told["cpus"], told["vcpus"], told["answers"]) == (8 << 20, 4, 2, True)
    assert b"libvirt's words" not in answer.content
    assert b"test:///" not in answer.content


def test_operations_are_listed_filtered_and_told(site: Site, program: Programs) -> None:
    mine = Operation.objects.create(
        kind="pause",
        host=site.alpha,
        guest=site.web,
        asked_by=site.people["operator"],
        asked_by_name="operator",
        idempotency_key="x",
    )
    Operation.objects.create(kind="pause", host=site.beta, guest=site.far, asked_by_name="x", idempotency_key="y")
    came = program("operator")

    def ids(query: str) -> list[str]:
        return [item["id"] for item in came.get(f"/operations{query}").json()["items"]]

    old = str(site.operation.pk)
    assert ids("") == [str(mine.pk), old]
    assert ids("?mine=true") == [str(mine.pk)]
    assert ids("?state=open") == [str(mine.pk)]
    assert ids("?state=done") == ids("?kind=start") == [old]
    assert ids(f"?guest={site.hostile.pk}") == ids("?kind=nothing") == ids("?page=2") == []
    assert error_of(came.get("/operations?state=lost"), 422)["field"] == "state"
    told = came.get(f"/operations/{old}").json()
    assert (told["state"], told["is_over"], told["guest_name"], told["cancellable"]) == ("done", True, "web-1", False)
    assert came.get(f"/operations/{mine.pk}?wait=0.1").json()["cancellable"] is True
    assert error_of(came.get(f"/operations/{mine.pk}?wait=3"), 422)["field"] == "wait"


def test_a_guest_tells_its_addresses_and_snapshots(site: Site, program: Programs) -> None:
    mac, now = site.web.definition["nics"][0]["mac"], timezone.now()
    agent = {"at": now.timestamp(), "problem": "", "addresses": [[mac, "192.0.2.7", "eth0"]]}
    GuestAddresses.objects.create(
        guest=site.web, wanted_at=now, domain_id=site.web.domain_id, readings={"agent": agent}
    )
    told = program("watcher").get(f"/guests/{site.web.pk}").json()
    (address,) = told["addresses"]
    assert (address["mac"], address["address"], address["interface"]) == (mac, "192.0.2.7", "eth0")
    assert address["told_by"] == "agent"
    assert abs(datetime.fromisoformat(address["at"]) - now) < timedelta(seconds=1)
    (snapshot,) = told["snapshots"]
    assert (snapshot["name"], snapshot["current"], snapshot["memory"]) == ("before-the-upgrade", True, False)
    assert told["saved"] is False
