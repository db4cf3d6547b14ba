"""Versions of definitions: stored with the rows, once each, kept apart from them."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from guests import resources
from guests.inventory import definitions
from guests.inventory.definitions import DefinitionVersion, live_xml, newest_version
from guests.inventory.host_inventory import HostInventory
from guests.inventory.leases import take_leases
from guests.inventory.models import Guest, Host
from guests.resources import GuestState
from tests.guests.inventory.values import guest

FIRST, SECOND = "<domain><title>one</title></domain>", "<domain><title>two</title></domain>"


def read(inventory: HostInventory, found: resources.Guest, next_boot: str = FIRST, live: str = "") -> Guest:
    inventory.refresh(replace(found, next_boot_xml=next_boot, live_xml=live), time.monotonic())
    return Guest.objects.get(uuid=found.uuid, host_id=inventory.lease.host_id)


def titles(row: Guest) -> list[str]:
    return [version.xml[15:18] for version in row.definition_versions.all()]


def test_each_definition_that_says_something_else_is_a_version(inventory: HostInventory) -> None:
    web = guest()
    read(inventory, web)
    read(inventory, web, "<domain>\n  <title>one</title>\n</domain>")
    read(inventory, web, SECOND)
    row = read(inventory, web, FIRST)
    assert titles(row) == ["one", "two", "one"]
    found = newest_version(row)
    assert found is not None
    assert found.xml == FIRST
    assert all(version.operation is None for version in row.definition_versions.all())


def test_what_runs_is_kept_once_and_is_told_of_a_running_guest_only(inventory: HostInventory) -> None:
    web = guest()
    read(inventory, web, live=FIRST)
    assert live_xml(read(inventory, web, live=SECOND)) == SECOND
    off = guest(web.uuid, state=GuestState.SHUT_OFF)
    assert live_xml(read(inventory, off)) == ""


def test_what_was_read_before_is_no_query(
    inventory: HostInventory, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    web = replace(guest(), next_boot_xml=FIRST, live_xml=FIRST)
    inventory.resync([web], time.monotonic())
    with django_assert_num_queries(0):
        inventory.resync([web], time.monotonic())


def test_a_worker_that_starts_anew_finds_what_an_earlier_one_stored(host: Host, inventory: HostInventory) -> None:
    web = guest()
    read(inventory, web, live=FIRST)
    row = read(HostInventory(inventory.lease), web, live=FIRST)
    assert titles(row) == ["one"]


def test_a_text_that_was_read_earlier_does_not_follow_a_newer_one(inventory: HostInventory) -> None:
    web, before = guest(), time.monotonic()
    read(inventory, web, SECOND)
    inventory.refresh(replace(web, next_boot_xml=FIRST), before)
    assert titles(Guest.objects.get(uuid=web.uuid)) == ["two"]


def test_a_change_of_the_text_alone_is_told_to_pages(inventory: HostInventory) -> None:
    web = guest()
    before = read(inventory, web).revision
    assert read(inventory, web, SECOND).revision > before


def test_the_oldest_go_once_they_are_old_and_too_many(
    inventory: HostInventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definitions, "KEPT_ALWAYS", 3)
    monkeypatch.setattr(definitions, "KEPT_AT_MOST", 5)
    web = guest()
    for number in range(7):
        row = read(inventory, web, f"<domain><title>n{number} </title></domain>")
    assert titles(row) == ["n6 ", "n5 ", "n4 ", "n3 ", "n2 "]
    DefinitionVersion.objects.update(seen_at=timezone.now() - timedelta(days=91))
    row = read(inventory, web, SECOND)
    assert titles(row) == ["two", "n6 ", "n5 "]


def test_a_migrated_guest_takes_its_versions_along(db: None) -> None:
    hosts = [Host.objects.create(name=name, uri=f"test:///{name}") for name in ("alpha", "beta")]
    leases = {lease.host_id: lease for lease in take_leases("me")}
    alpha, beta = (HostInventory(leases[host.pk]) for host in hosts)
    web = guest()
    row = read(alpha, web)
    read(alpha, web, SECOND)
    arrived = replace(guest(web.uuid, reason="migrated"), next_boot_xml=SECOND, live_xml=SECOND)
    left = guest(web.uuid, state=GuestState.SHUT_OFF, reason="migrated")
    read(alpha, left, SECOND)
    beta.refresh(arrived, time.monotonic())
    row.refresh_from_db()
    assert row.host.name == "beta"
    assert titles(row) == ["two", "one"]
    assert live_xml(row) == SECOND
    beta.refresh(arrived, time.monotonic())
    assert titles(row) == ["two", "one"]
