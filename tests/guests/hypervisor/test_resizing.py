"""Memory and vCPUs on libvirt's test driver: what changes now, what at the next boot, what is refused first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from guests.errors import NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.reading import get_guest
from guests.hypervisor.writing import set_current_memory, set_maximum_memory, set_maximum_vcpus, set_vcpus, start
from guests.resources import Memory, VCPUs
from tests.guests.hypervisor.conftest import HOSTILE, RUNNING, SHUT_OFF
from tests.guests.hypervisor.recording import recorded

MIB = 1024
WRITES = {"setMemoryFlags", "setVcpusFlags"}


def sizes(host: Connection) -> tuple[Memory, Memory, VCPUs, VCPUs]:
    """Live and next boot of web-1, as libvirt has them now."""
    guest = get_guest(host, RUNNING)
    assert guest.live is not None
    assert guest.next_boot is not None
    return guest.live.memory, guest.next_boot.memory, guest.live.vcpus, guest.next_boot.vcpus


@pytest.mark.parametrize(
    ("live", "next_boot", "now", "later"), [(True, False, 384, 256), (False, True, 256, 384), (True, True, 384, 384)]
)
def test_sets_current_memory_where_it_was_asked_for(
    host: Connection, live: bool, next_boot: bool, now: int, later: int
) -> None:
    set_current_memory(host, RUNNING, 384 * MIB, live=live, next_boot=next_boot)
    assert sizes(host)[:2] == (Memory(now * MIB, 512 * MIB), Memory(later * MIB, 512 * MIB))


@pytest.mark.parametrize(
    ("live", "next_boot", "now", "later"), [(True, False, 3, 1), (False, True, 1, 3), (True, True, 3, 3)]
)
def test_sets_vcpus_where_it_was_asked_for(host: Connection, live: bool, next_boot: bool, now: int, later: int) -> None:
    set_vcpus(host, RUNNING, 3, live=live, next_boot=next_boot)
    assert sizes(host)[2:] == (VCPUs(now, 4), VCPUs(later, 4))


def test_raises_the_maximum_memory_for_the_next_boot_only(host: Connection) -> None:
    set_maximum_memory(host, RUNNING, 1024 * MIB)
    assert sizes(host)[:2] == (Memory(256 * MIB, 512 * MIB), Memory(256 * MIB, 1024 * MIB))


def test_a_maximum_memory_below_the_current_one_lowers_both(host: Connection) -> None:
    set_maximum_memory(host, RUNNING, 128 * MIB)
    assert sizes(host)[:2] == (Memory(256 * MIB, 512 * MIB), Memory(128 * MIB, 128 * MIB))
    set_maximum_memory(host, SHUT_OFF, 64 * MIB)
    assert get_guest(host, SHUT_OFF).definition.memory == Memory(64 * MIB, 64 * MIB)


def test_a_maximum_of_vcpus_below_the_current_lowers_both(host: Connection) -> None:
    set_vcpus(host, RUNNING, 3, live=False, next_boot=True)
    set_maximum_vcpus(host, RUNNING, 2)
    assert sizes(host)[2:] == (VCPUs(1, 4), VCPUs(2, 2))
    set_maximum_vcpus(host, RUNNING, 8)
    assert sizes(host)[3] == VCPUs(2, 8)


def test_each_target_is_one_call(host: Connection) -> None:
    with recorded(host) as calls:
        set_current_memory(host, RUNNING, 384 * MIB, live=True, next_boot=True)
        set_vcpus(host, RUNNING, 2, live=True, next_boot=True)
    assert [call for call in calls if call in WRITES] == ["setMemoryFlags"] * 2 + ["setVcpusFlags"] * 2


REFUSED: dict[str, tuple[Callable[[Connection], None], str, str]] = {
    "memory above the maximum": (
        lambda c: set_current_memory(c, RUNNING, 513 * MIB, live=True, next_boot=True),
        "at most 512 MiB",
        "current_memory",
    ),
    "memory above the maximum of the next boot": (
        lambda c: set_current_memory(c, SHUT_OFF, 257 * MIB, live=False, next_boot=True),
        "at most 256 MiB",
        "current_memory",
    ),
    "no memory": (
        lambda c: set_current_memory(c, RUNNING, 0, live=True, next_boot=False),
        "more than 0",
        "current_memory",
    ),
    "no maximum memory": (lambda c: set_maximum_memory(c, RUNNING, 0), "more than 0", "maximum_memory"),
    "live memory of a guest that is shut off": (
        lambda c: set_current_memory(c, SHUT_OFF, 64 * MIB, live=True, next_boot=True),
        "does not run",
        "",
    ),
    "fewer vCPUs live": (
        lambda c: (
            set_vcpus(c, RUNNING, 3, live=True, next_boot=False),
            set_vcpus(c, RUNNING, 2, live=True, next_boot=True),
        )[1],
        "runs with 3 vCPUs: fewer are possible at the next boot only",
        "vcpus",
    ),
    "vCPUs above the maximum": (
        lambda c: set_vcpus(c, RUNNING, 5, live=True, next_boot=False),
        "at most 4 vCPUs",
        "vcpus",
    ),
    "vCPUs above the maximum of the next boot": (
        lambda c: set_vcpus(c, SHUT_OFF, 3, live=False, next_boot=True),
        "at most 2 vCPUs",
        "vcpus",
    ),
    "no vCPU": (lambda c: set_vcpus(c, RUNNING, 0, live=True, next_boot=False), "at least one", "vcpus"),
    "no maximum of vCPUs": (lambda c: set_maximum_vcpus(c, RUNNING, -1), "at least one", "maximum_vcpus"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refuses(host: Connection, what: str) -> None:
    ask, sentence, field = REFUSED[what]
    off_before = get_guest(host, SHUT_OFF)
    before = sizes(host)
    with recorded(host) as calls, pytest.raises(OperationRefused, match=sentence) as refused:
        ask(host)
    assert refused.value.field == field
    if what == "fewer vCPUs live":
        assert calls.count("setVcpusFlags") == 1  # the growth before it
    else:
        assert not WRITES & set(calls)
        assert sizes(host) == before
    assert get_guest(host, SHUT_OFF) == off_before


def test_a_guest_without_a_balloon_changes_at_the_next_boot_only(host: Connection) -> None:
    with pytest.raises(NotSupported, match="no memory balloon"):
        set_current_memory(host, HOSTILE, 32 * MIB, live=True, next_boot=False)
    set_current_memory(host, HOSTILE, 32 * MIB, live=False, next_boot=True)
    assert get_guest(host, HOSTILE).live != get_guest(host, HOSTILE).next_boot


def test_a_transient_guest_has_no_next_boot_to_change(host: Connection) -> None:
    host.raw.lookupByUUIDString(str(RUNNING)).undefine()
    with pytest.raises(OperationRefused, match="transient"):
        set_maximum_memory(host, RUNNING, 1024 * MIB)
    with pytest.raises(OperationRefused, match="transient"):
        set_vcpus(host, RUNNING, 2, live=True, next_boot=True)
    live = get_guest(host, RUNNING).live
    assert live is not None
    assert live.vcpus == VCPUs(1, 4)


def test_no_target_is_an_error_of_the_caller(host: Connection) -> None:
    with pytest.raises(ValueError, match="neither"):
        set_vcpus(host, RUNNING, 2, live=False, next_boot=False)


def test_what_was_set_for_the_next_boot_is_what_boots(host: Connection) -> None:
    set_maximum_memory(host, SHUT_OFF, 512 * MIB)
    set_current_memory(host, SHUT_OFF, 320 * MIB, live=False, next_boot=True)
    start(host, SHUT_OFF)
    live = get_guest(host, SHUT_OFF).live
    assert live is not None
    assert live.memory == Memory(320 * MIB, 512 * MIB)
