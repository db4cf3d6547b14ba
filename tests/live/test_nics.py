"""NICs of a real guest: plugged in, its link pulled, taken out, as the guest itself sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest

from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.networks import list_networks
from guests.hypervisor.nics import add_nic, change_nic, remove_nic
from guests.hypervisor.reading import get_guest
from guests.resources import NIC
from tests.labs.lab import Lab
from tests.live.hypervisor_guest import Terminal, until

pytestmark = pytest.mark.timeout(240)

MAC = "52:54:00:4e:49:43"


@pytest.fixture
def connection(lab: Lab) -> Iterator[Connection]:
    lab.wait_until_booted("db-1")
    connection = open_connection(lab.uri)
    yield connection
    connection.close()


def test_a_nic_comes_loses_its_link_and_goes_while_the_guest_runs(lab: Lab, connection: Connection) -> None:
    uuid = UUID(lab.uuid("db-1"))
    source = get_guest(connection, uuid).definition.nics[0]
    nic = NIC(MAC, source.kind, source.source, "virtio", "")
    # Rates at the next boot only: not every kernel that tests run on has the queues that they need.
    add_nic(connection, uuid, replace(nic, inbound_kib=2048), live=False)
    add_nic(connection, uuid, nic, live=True)
    terminal = Terminal(connection, uuid, force=True)
    try:
        inside = f"cat /sys/class/net/*/address | grep -c {MAC}"
        until(lambda: terminal.answer_to(inside, 30) == "1", 60, "the NIC in the guest")
        found = get_guest(connection, uuid)
        assert found.live is not None
        assert found.next_boot is not None
        assert [n.mac for n in found.live.nics].count(MAC) == [n.mac for n in found.next_boot.nics].count(MAC) == 1
        assert found.next_boot.nics[-1].inbound_kib == 2048

        change_nic(connection, uuid, MAC, replace(nic, link_up=False), live=True)
        assert next(n for n in get_guest(connection, uuid).definition.nics if n.mac == MAC).link_up is False

        remove_nic(connection, uuid, MAC, live=False)
        remove_nic(connection, uuid, MAC, live=True)
        until(lambda: terminal.answer_to(inside, 30) == "0", 60, "the NIC gone from the guest")
        until(lambda: MAC not in [n.mac for n in get_guest(connection, uuid).definition.nics], 20, "gone for libvirt")
    finally:
        terminal.stream.close()


def test_the_networks_of_a_host_are_listed(connection: Connection) -> None:
    for network in list_networks(connection):
        assert network.name
        assert network.forward
