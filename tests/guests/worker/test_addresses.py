"""Addresses of guests: asked while somebody looks, each source at its pace, and an agent that hangs once only."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from guests.hypervisor.addresses import AgentSilent, NoAgent, addresses_told
from guests.inventory.addresses import AddressProblem, GuestAddresses, mark_addresses_wanted
from guests.resources import AddressSource, GuestAddress
from tests.guests.worker.conftest import RunningWorker, domain, row, until

ADDRESS = GuestAddress("52:54:00:00:00:01", "192.0.2.9", "eth0")


@pytest.fixture(autouse=True)
def often(settings: Any) -> None:
    settings.ADDRESS_SECONDS = 0.1


def reading(name: str, source: str) -> dict[str, Any]:
    found = GuestAddresses.objects.filter(guest__name=name).first()
    return dict(found.readings.get(source, {})) if found else {}


def answer(monkeypatch: pytest.MonkeyPatch, agent: Callable[[], Any]) -> list[str]:
    """What the agent tells; the host's neighbour table has nothing. Answers which sources were asked."""
    asked: list[str] = []

    def read(_connection: Any, _uuid: Any, source: AddressSource) -> Any:
        asked.append(str(source))
        return agent() if source is AddressSource.AGENT else ()

    monkeypatch.setattr("guests.worker.address_thread.read_addresses", read)
    return asked


def test_they_are_asked_while_somebody_looks_and_only_then(
    worker: RunningWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answer(monkeypatch, lambda: (ADDRESS,))
    time.sleep(0.4)
    assert not asked
    before = row("web-1").revision
    mark_addresses_wanted(row("web-1").pk)
    mark_addresses_wanted(row("off-1").pk)  # it does not run
    until(lambda: reading("web-1", "agent"))
    assert reading("web-1", "agent")["addresses"] == [["52:54:00:00:00:01", "192.0.2.9", "eth0"]]
    assert row("web-1").revision > before  # pages that show the guest are told
    assert not reading("off-1", "agent")
    first = reading("web-1", "agent")["at"]
    until(lambda: reading("web-1", "agent")["at"] > first, 5)
    monkeypatch.setattr("guests.inventory.addresses.WANTED_SECONDS", 0.0)
    until(lambda: stands_still(asked), 5)


def stands_still(asked: list[str]) -> bool:
    before = len(asked)
    time.sleep(1.2)
    return len(asked) == before


@pytest.mark.parametrize(
    ("error", "problem"), [(NoAgent("none"), AddressProblem.ABSENT), (AgentSilent("silent"), AddressProblem.SILENT)]
)
def test_a_guest_without_an_agent_that_answers_is_asked_rarely_and_the_host_goes_on(
    worker: RunningWorker, monkeypatch: pytest.MonkeyPatch, error: Exception, problem: AddressProblem
) -> None:
    def refuse() -> Any:
        raise error

    asked = answer(monkeypatch, refuse)
    mark_addresses_wanted(row("web-1").pk)
    until(lambda: reading("web-1", "agent").get("problem") == problem)
    until(lambda: asked.count("arp") > 1, 5)
    assert asked.count("agent") == 1


def test_an_agent_that_hangs_is_left_behind_and_not_asked_again_in_this_life(
    worker: RunningWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guests.worker.address_thread.DEADLINE_SECONDS", 0.2)
    asked = answer(monkeypatch, lambda: time.sleep(1) or ())
    mark_addresses_wanted(row("web-1").pk)
    until(lambda: reading("web-1", "agent").get("problem") == AddressProblem.HANGS, 5)
    until(lambda: asked.count("arp") > 2, 8)
    assert asked.count("agent") == 1
    answer(monkeypatch, lambda: (ADDRESS,))
    web = domain(worker, "web-1")
    web.destroy()
    web.create()
    until(lambda: row("web-1").domain_id == web.ID())
    until(lambda: reading("web-1", "agent").get("addresses"), 8)


def test_what_is_no_address_is_left_out_whatever_a_guest_says() -> None:
    told: dict[str, Any] = {
        "lo": {"hwaddr": "00:00:00:00:00:00", "addrs": [{"addr": "127.0.0.1"}, {"addr": "::1"}]},
        "eth0": {
            "hwaddr": "52:54:00:AA:BB:CC",
            "addrs": [{"addr": "192.0.2.1"}, {"addr": "<img>"}, {"addr": "fe80::1"}],
        },
        "docker0" * 20: {"addrs": [{"addr": "172.17.0.1"}, {}]},
        "down": {"hwaddr": None, "addrs": None},
    }
    found = tuple(addresses_told(told))
    assert [(a.mac, a.address) for a in found] == [
        ("52:54:00:aa:bb:cc", "192.0.2.1"),
        ("52:54:00:aa:bb:cc", "fe80::1"),
        ("", "172.17.0.1"),
    ]
    assert len(found[2].interface) == 40
