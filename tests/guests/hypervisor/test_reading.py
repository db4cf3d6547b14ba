"""Reading a host and its guests, on libvirt's test driver; what a reading costs in calls."""

from __future__ import annotations

from uuid import UUID

import libvirt
import pytest

from guests.errors import GuestNotFound
from guests.hypervisor.connection import Connection
from guests.hypervisor.reading import free_memory_kib, get_guest, host_facts, list_guests, list_stats
from guests.resources import GuestState, Memory, VCPUs
from tests.guests.hypervisor.conftest import HOSTILE, RUNNING, SHUT_OFF
from tests.guests.hypervisor.recording import recorded

MIB = 1024


def test_tells_what_the_host_is_and_nothing_that_it_does_not_know(host: Connection) -> None:
    facts = host_facts(host)
    assert (facts.driver, facts.is_local, facts.libvirt_version) == (
        "Test",
        True,
        ".".join(str(libvirt.getVersion() // 10**n % 1000) for n in (6, 3, 0)),
    )
    assert facts.cpus > 0
    assert facts.memory_kib > 0
    assert facts.free_memory_kib is None
    assert free_memory_kib(host) is None


def test_reads_a_running_and_a_shut_off_guest(host: Connection) -> None:
    running, off = get_guest(host, RUNNING), get_guest(host, SHUT_OFF)
    assert (running.name, running.state, running.domain_id) == ("web-1", GuestState.RUNNING, 1)
    assert running.live is not None
    assert running.live == running.definition
    assert running.live.memory == Memory(256 * MIB, 512 * MIB)
    assert running.live.vcpus == VCPUs(1, 4)
    assert (off.name, off.state, off.domain_id, off.live) == ("backup-1", GuestState.SHUT_OFF, None, None)
    assert off.definition == off.next_boot
    assert running.persistent
    assert not running.privileged


def test_lists_what_reading_each_guest_tells(host: Connection) -> None:
    host.raw.lookupByUUIDString(str(SHUT_OFF)).setAutostart(1)
    listed = {guest.uuid: guest for guest in list_guests(host)}
    assert listed == {uuid: get_guest(host, uuid, snapshots=True) for uuid in (RUNNING, SHUT_OFF, HOSTILE)}
    assert listed[SHUT_OFF].autostart
    assert not listed[RUNNING].autostart


def test_a_hostile_name_is_read_as_it_is(host: Connection) -> None:
    assert get_guest(host, HOSTILE).name == "<img src=x onerror=alert(1)> ' \" \u202e x"


def test_a_transient_guest_has_no_next_boot(host: Connection) -> None:
    host.raw.createXML(
        "<domain type='test'><name>short</name><uuid>5f3c1b0e-0000-4000-8000-000000000009</uuid>"
        "<memory>65536</memory><os><type>hvm</type></os></domain>"
    )
    found = next(guest for guest in list_guests(host) if guest.name == "short")
    assert not found.persistent
    assert found.next_boot is None
    assert found.live is not None


def test_listing_costs_five_listings_and_a_state_and_the_xml_of_each(host: Connection) -> None:
    list_guests(host)  # learns what this driver lacks
    with recorded(host) as calls:
        guests = list_guests(host)
    definitions = sum((guest.live is not None) + (guest.next_boot is not None) for guest in guests)
    assert calls.count("listAllDomains") == 5
    assert calls.count("XMLDesc") == definitions
    assert len(calls) <= 6 + definitions + len(guests)


def test_an_unknown_guest_is_not_found(host: Connection) -> None:
    with pytest.raises(GuestNotFound, match="no longer on this host") as error:
        get_guest(host, UUID(int=1))
    assert "Domain not found" in error.value.detail
    assert "Domain not found" not in str(error.value)


def test_a_definition_that_is_refused_does_not_hide_the_other_guests(host: Connection) -> None:
    huge = "y" * 1024 * 1024
    host.raw.defineXML(
        "<domain type='test'><name>huge</name><uuid>5f3c1b0e-0000-4000-8000-000000000008</uuid>"
        f"<description>{huge}</description><memory>65536</memory><os><type>hvm</type></os></domain>"
    )
    guests = {guest.name: guest for guest in list_guests(host)}
    assert len(guests) == 4
    assert guests["huge"].definition.memory == Memory(65536, 65536)
    assert guests["huge"].definition.disks == ()


def test_samples_each_guest_with_its_devices_and_a_shut_off_one_with_its_state_only(host: Connection) -> None:
    samples = {sample.uuid: sample for sample in list_stats(host)}
    running, off = samples[RUNNING], samples[SHUT_OFF]
    assert running.state is GuestState.RUNNING
    assert running.balloon_current_kib == 256 * MIB
    assert running.vcpus_current == 1
    assert running.cpu_time_ns is not None
    assert running.usable_kib is not None
    assert [(disk.target, disk.capacity_bytes is not None) for disk in running.disks] == [("vda", True)]
    assert [(nic.target, nic.received_bytes is not None) for nic in running.nics] == [("testnet0", True)]
    assert (off.state, off.domain_id, off.cpu_time_ns, off.balloon_current_kib) == (
        GuestState.SHUT_OFF,
        None,
        None,
        None,
    )


def test_what_the_guest_uses_is_unknown_without_a_balloon(host: Connection) -> None:
    sample = next(sample for sample in list_stats(host) if sample.uuid == HOSTILE)
    assert sample.usable_kib is None
    assert sample.nics == ()


def test_known_definitions_save_the_xml_when_sampling(host: Connection) -> None:
    known = {guest.uuid: guest.live for guest in list_guests(host) if guest.live}
    with recorded(host) as calls:
        list_stats(host, known)
    assert "XMLDesc" not in calls
    assert calls.count("listAllDomains") == 1
