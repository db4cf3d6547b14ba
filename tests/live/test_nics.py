"""NICs of a real guest: plugged in, its link pulled, taken out, as the guest itself sees it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest

from guests.errors import OperationRefused
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.networks import list_networks
from guests.hypervisor.nics import add_nic, change_nic, remove_nic
from guests.hypervisor.reading import get_guest
from guests.resources import NIC
from tests.labs.lab import Lab
from tests.live.hypervisor_guest import Terminal, until

pytestmark = pytest.mark.timeout(240)

MAC = "52:54:00:4e:49:43"
RATES = """
ip link add rates type veth peer name other
tc qdisc add dev rates root handle 1: htb default 1
tc class add dev rates parent 1: classid 1:1 htb rate 1mbit
tc qdisc add dev rates parent 1:1 handle 2: sfq perturb 10
tc qdisc add dev rates ingress
tc filter add dev rates parent ffff: protocol all u32 match u32 0 0 police rate 1mbit burst 64kb mtu 64kb drop flowid :1
"""


@pytest.fixture
def connection(lab: Lab) -> Iterator[Connection]:
    lab.wait_until_booted("db-1")
    connection = open_connection(lab.uri)
    yield connection
    connection.close()


def live_nic(connection: Connection, uuid: UUID) -> NIC:
    return next(nic for nic in get_guest(connection, uuid).definition.nics if nic.mac == MAC)


def limits_rates(lab: Lab) -> bool:
    """Whether this machine's kernel has what libvirt asks tc for: tried on a link in a namespace of its own."""
    if "demo" not in lab.virsh("net-list", "--name").split():
        return False  # NICs of a session have no device on the host
    done = subprocess.run(["unshare", "-n", "sh", "-ec", RATES], check=False, capture_output=True, timeout=20)
    return done.returncode == 0


def test_a_nic_comes_loses_its_link_and_goes_while_the_guest_runs(lab: Lab, connection: Connection) -> None:
    uuid = UUID(lab.uuid("db-1"))
    source = get_guest(connection, uuid).definition.nics[0]
    nic = NIC(MAC, source.kind, source.source, "virtio", "")
    # Rates at the next boot only: not every kernel that tests run on has the queues that they need.
    add_nic(connection, uuid, replace(nic, inbound_kib=2048), live=False)
    add_nic(connection, uuid, nic, live=True)
    terminal = Terminal(connection, uuid, force=True)
    try:
        terminal.wait_for_shell()
        inside = f"cat /sys/class/net/*/address | grep -c {MAC}"
        until(lambda: terminal.answer_to(inside, 30) == "1", 60, "the NIC in the guest")
        found = get_guest(connection, uuid)
        assert found.live is not None
        assert found.next_boot is not None
        assert [n.mac for n in found.live.nics].count(MAC) == [n.mac for n in found.next_boot.nics].count(MAC) == 1
        assert found.next_boot.nics[-1].inbound_kib == 2048

        carrier = f"n=$(grep -l {MAC} /sys/class/net/*/address); n=${{n%/address}}; ip link set ${{n##*/}} up; "
        carrier += "cat $n/carrier"
        until(lambda: terminal.answer_to(carrier, 30) == "1", 20, "the link in the guest")
        for up in (False, True):
            change_nic(connection, uuid, MAC, replace(nic, link_up=up), live=True)
            now = live_nic(connection, uuid)
            assert (now.link_up, now.kind, now.source) == (up, source.kind, source.source)
            until(lambda up=up: terminal.answer_to(carrier, 30) == str(int(up)), 20, f"the link {up} in the guest")

        limited = replace(nic, inbound_kib=1024, outbound_kib=512)
        if limits_rates(lab):
            change_nic(connection, uuid, MAC, limited, live=True)
            told = lab.virsh("domiftune", str(uuid), MAC)
            assert re.findall(r"(\w+)\.average: (\d+)", told) == [("inbound", "1024"), ("outbound", "512")]
            change_nic(connection, uuid, MAC, nic, live=True)
            assert not re.search(r"average: [1-9]", lab.virsh("domiftune", str(uuid), MAC))
        elif nic.kind != "user":
            with pytest.raises(OperationRefused, match="cannot limit the rates of a NIC of db-1"):
                change_nic(connection, uuid, MAC, limited, live=True)
            assert (live_nic(connection, uuid).inbound_kib, live_nic(connection, uuid).outbound_kib) == (None, None)
            assert terminal.answer_to(carrier, 30) == "1"

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
