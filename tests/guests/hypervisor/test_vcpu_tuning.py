"""Weight, cap, pins, topology and model: read from XML, and changed on libvirt's test driver."""

from __future__ import annotations

import pytest

from guests.cpu_sets import parse_cpu_set
from guests.errors import NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.domain_xml import UnreadableDefinition, parse_definition
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.host_cpus import PhysicalCPU, parse_cpus, read_cpus, read_vcpus
from guests.hypervisor.reading import get_guest
from guests.hypervisor.vcpu_tuning import (
    Scheduling,
    _scheduler_errors,
    pin_vcpus_at_boot,
    pin_vcpus_now,
    scheduling,
    set_processor,
    set_scheduling,
)
from guests.inventory.definition_json import definition_from_json, definition_to_json
from guests.resources import CPU, CPUTuning, Pin
from tests.guests.hypervisor.conftest import RUNNING, SHUT_OFF

GUEST = """<domain type='kvm'><name>a</name><uuid>5f3c1b0e-0000-4000-8000-000000000001</uuid>
<memory>1024</memory><vcpu cpuset='0-3'>4</vcpu><os><type>hvm</type></os>{more}</domain>"""
TUNED = GUEST.format(
    more="""<cputune><shares>2048</shares><global_period>50000</global_period><global_quota>75000</global_quota>
    <quota>-1</quota><vcpupin vcpu='1' cpuset='2,3'/><vcpupin vcpu='0' cpuset='0-3,^1'/><emulatorpin cpuset='0'/>
    </cputune><cpu mode='custom' match='exact'><model>Haswell</model>
    <topology sockets='1' dies='1' cores='2' threads='2'/></cpu>"""
)


def test_reads_how_a_guest_shares_its_host() -> None:
    found = parse_definition(TUNED)
    assert found.tuning == CPUTuning(2048, 150, None, (Pin(0, "0,2-3"), Pin(1, "2-3")), "0", "0-3")
    assert found.cpu == CPU("custom", "Haswell", 1, 1, 2, 2)
    assert definition_from_json(definition_to_json(found)) == found
    assert parse_definition(GUEST.format(more="")).cpu == CPU()


def test_a_definition_of_an_older_version_is_still_read() -> None:
    kept = definition_to_json(parse_definition(TUNED))
    del kept["cpu"], kept["tuning"]
    assert definition_from_json(kept).tuning == CPUTuning()


@pytest.mark.parametrize(
    "more", ["<cputune><shares>many</shares></cputune>", "<cputune><emulatorpin cpuset='x'/></cputune>"]
)
def test_refuses_what_it_cannot_read(more: str) -> None:
    with pytest.raises(UnreadableDefinition):
        parse_definition(GUEST.format(more=more))


def test_reads_where_each_cpu_of_a_host_is() -> None:
    xml = """<capabilities><host><topology><cells num='2'>
      <cell id='0'><cpus num='1'><cpu id='0' socket_id='0' core_id='0' siblings='0'/></cpus></cell>
      <cell id='1'><cpus num='2'><cpu id='3' socket_id='1' core_id='1'/>
      <cpu id='2' socket_id='1' core_id='0'/></cpus></cell>
    </cells></topology></host></capabilities>"""
    assert parse_cpus(xml) == [PhysicalCPU(0), PhysicalCPU(2, 1, 1, 0), PhysicalCPU(3, 1, 1, 1)]


def test_the_driver_tells_its_cpus_and_where_vcpus_run(host: Connection) -> None:
    numbers = [cpu.number for cpu in read_cpus(host)]
    assert numbers
    found = read_vcpus(host, [RUNNING, SHUT_OFF])
    assert set(found) == {RUNNING}  # the other one does not run
    assert [vcpu.number for vcpu in found[RUNNING]] == [0]
    assert found[RUNNING][0].cpu in numbers


def test_pins_at_the_next_boot_and_takes_a_pin_away(host: Connection) -> None:
    pin_vcpus_at_boot(host, SHUT_OFF, {0: "0", 1: "1"}, "0-1")
    tuning = get_guest(host, SHUT_OFF).definition.tuning
    assert (tuning.pins, tuning.emulator) == ((Pin(0, "0"), Pin(1, "1")), "0-1")
    pin_vcpus_at_boot(host, SHUT_OFF, {0: "", 1: "1"}, None)
    tuning = get_guest(host, SHUT_OFF).definition.tuning
    assert (tuning.pins, tuning.emulator) == ((Pin(1, "1"),), "0-1")


def test_pins_what_runs(host: Connection) -> None:
    pin_vcpus_now(host, RUNNING, {0: "1"}, None)
    with translated_errors():
        maps = host.raw.lookupByUUIDString(str(RUNNING)).vcpus()[1]
    assert {number for number, chosen in enumerate(maps[0]) if chosen} == parse_cpu_set("1")
    with pytest.raises(OperationRefused, match="there is no CPU 99"):
        pin_vcpus_now(host, RUNNING, {0: "99"}, None)


def test_topology_and_model_are_changed_without_each_other(host: Connection) -> None:
    set_processor(host, RUNNING, CPU(sockets=1, cores=2, threads=2), model_too=False, topology_too=True)
    set_processor(host, RUNNING, CPU("host-passthrough"), model_too=True, topology_too=False)
    guest = get_guest(host, RUNNING)
    assert guest.next_boot is not None
    assert guest.next_boot.cpu == CPU("host-passthrough", "", 1, 1, 2, 2)
    set_processor(host, RUNNING, CPU(), model_too=True, topology_too=True)
    guest = get_guest(host, RUNNING)
    assert guest.next_boot is not None
    assert guest.next_boot.cpu == CPU()


def test_a_driver_without_caps_says_so(host: Connection) -> None:
    assert scheduling(host, RUNNING).weight is not None
    set_scheduling(host, RUNNING, Scheduling(weight=77), live=True)
    with pytest.raises(NotSupported, match="no such cap"):
        set_scheduling(host, RUNNING, Scheduling(cap_percent=50), live=True)
    with pytest.raises(NotSupported, match="until the guest is shut off"):
        set_scheduling(host, RUNNING, Scheduling(weight=77), live=False)


def test_a_host_without_control_groups_says_so_in_a_sentence() -> None:
    with pytest.raises(OperationRefused, match=r"cannot weigh or cap.*qemu:///session"), _scheduler_errors("web-1"):
        raise OperationRefused("?", detail="Requested operation is not valid: cgroup CPU controller is not mounted")
    with pytest.raises(OperationRefused, match="something else"), _scheduler_errors("web-1"):
        raise OperationRefused("something else")
