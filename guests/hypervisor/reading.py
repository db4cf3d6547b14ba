"""What a host is and which guests it has. Costs few calls: see each function."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

import libvirt

from guests.errors import GuestNotFound, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.domain_xml import UnreadableDefinition, parse_definition
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.snapshot_reading import snapshots_of
from guests.hypervisor.states import state_of
from guests.hypervisor.stats import list_stats
from guests.hypervisor.xml_document import parse_document, text_of
from guests.resources import Definition, Guest, HostFacts, Memory, Snapshot, VCPUs, Virtualisation

__all__ = ["find_domain", "free_memory_kib", "get_guest", "host_facts", "list_guests", "list_stats", "up_seconds"]

logger = logging.getLogger(__name__)
_T = TypeVar("_T")


def _if_told(call: Callable[[], _T]) -> _T | None:
    """The answer of a call that not every driver has or that a host may refuse; None then."""
    try:
        with translated_errors():
            return call()
    except (NotSupported, OperationRefused):
        return None


def host_facts(c: Connection) -> HostFacts:
    """What the host is and has: about eight calls, to be asked at connect and rarely after."""
    with translated_errors():
        architecture, memory_mib, cpus = c.raw.getInfo()[:3]
        return HostFacts(
            hostname=c.raw.getHostname(),
            driver={"TEST": "Test"}.get(c.raw.getType(), c.raw.getType()),
            hypervisor_version=_version(_if_told(c.raw.getVersion)),
            libvirt_version=_version(c.raw.getLibVersion()),
            architecture=architecture,
            cpu_model=_cpu_model(c),
            cpus=cpus,
            # Not getInfo's where both are told: it adds up NUMA cells and misses memory that was plugged in later.
            memory_kib=_memory_stats(c).get("total") or memory_mib * 1024,
            free_memory_kib=free_memory_kib(c),
            is_local=c.is_local,
        )


def free_memory_kib(c: Connection) -> int | None:
    """What new guests could take: on Linux hosts free and cached memory, on Xen what the hypervisor holds back."""
    stats = _memory_stats(c)
    if stats:
        return stats["free"] + stats.get("buffers", 0) + stats.get("cached", 0)
    free = _if_told(c.raw.getFreeMemory)
    return int(free) // 1024 if free else None  # the test driver says 0 for what it does not know


def up_seconds(c: Connection) -> float | None:
    """For how long the host is up, by what its processors did since its boot: libvirt has no call for it. None where
    the driver counts nothing (Xen). Too little where the host slept, or gets less than whole processors itself.
    """
    if c.is_test:
        return None  # its counters stand still
    counted = _if_told(lambda: c.raw.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS, 0))
    cpus = _if_told(lambda: c.raw.getInfo()[2])
    if not counted or not cpus or "idle" not in counted:
        return None
    return float(sum(int(counted.get(name) or 0) for name in ("kernel", "user", "idle", "iowait"))) / 1e9 / int(cpus)


def _memory_stats(c: Connection) -> dict[str, int]:
    """KiB by name (virNodeGetMemoryStats); empty where the driver tells none."""
    if "getMemoryStats" in c.lacks:
        return {}
    stats = _if_told(lambda: c.raw.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS, 0)) or {}
    if "total" in stats and "free" in stats:
        return {name: int(kib) for name, kib in stats.items()}
    c.lacks.add("getMemoryStats")
    return {}


def _version(number: int | None) -> str:
    """Libvirt's 7002000 as "7.2.0"."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}" if number else ""


def _cpu_model(c: Connection) -> str:
    """The processor's name by the firmware, else libvirt's name for its family; "" where neither is told."""
    # QEMU's own firmware tables name the machine type where a processor's name belongs.
    xml = _if_told(lambda: c.raw.getSysinfo(0))
    if xml:
        with suppress(UnreadableDefinition):
            processor = parse_document(xml).find("processor")
            if processor is not None and processor.findtext("entry[@name='manufacturer']") != "QEMU":
                return (processor.findtext("entry[@name='version']") or "").strip()[:120]
    xml = _if_told(c.raw.getCapabilities)
    if xml:
        with suppress(UnreadableDefinition):
            return text_of(parse_document(xml), "host/cpu/model")[:120]
    return ""


def find_domain(c: Connection, uuid: UUID) -> Any:
    """Libvirt's object for a guest, or GuestNotFound; one call. For this room only."""
    with translated_errors():
        return c.raw.lookupByUUIDString(str(uuid))


def get_guest(c: Connection, uuid: UUID, *, snapshots: bool = False) -> Guest:
    """One guest as it is now; GuestNotFound when the host does not have it. About six calls; with its snapshots one
    more, and one more for each.
    """
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        persistent = bool(domain.isPersistent())
        return _read(
            domain,
            state=tuple(domain.state()),
            persistent=persistent,
            autostart=bool(_autostart(domain)),
            saved=bool(_if_told(lambda: domain.hasManagedSaveImage(0))),
            snapshots=_if_told(lambda: snapshots_of(domain)) if snapshots else None,
        )


def _autostart(domain: Any) -> int:
    return _if_told(domain.autostart) or 0  # Domain-0 refuses to tell


def list_guests(c: Connection) -> list[Guest]:
    """Every guest: five listings and one bulk state for the host (a state per guest on drivers without it), the XML of
    each guest (two when it runs and is persistent) and of each snapshot. A guest that went away meanwhile is left out.
    """
    with translated_errors():
        domains = c.raw.listAllDomains(0)
        persistent = _uuids(c.raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT))
        autostart = _uuids(c.raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART))
    saving = libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE
    saved = _uuids(_if_told(lambda: c.raw.listAllDomains(saving)) or [])
    having = libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT
    with_snapshots = _uuids(_if_told(lambda: c.raw.listAllDomains(having)) or [])
    states = _bulk_states(c)
    guests = []
    for domain in domains:
        uuid = domain.UUIDString()
        with suppress(GuestNotFound), translated_errors(domain.name()):
            state = states.get(uuid) or tuple(domain.state())
            guests.append(
                _read(
                    domain,
                    state=state,
                    persistent=uuid in persistent,
                    autostart=uuid in autostart,
                    saved=uuid in saved,
                    snapshots=snapshots_of(domain) if uuid in with_snapshots else (),
                )
            )
    return guests


def _uuids(domains: list[Any]) -> set[str]:
    return {domain.UUIDString() for domain in domains}


def _bulk_states(c: Connection) -> dict[str, tuple[int, int]]:
    """State and reason of all guests in one call, by UUID; empty where the driver has no such call."""
    if "getAllDomainStats" in c.lacks:
        return {}
    try:
        with translated_errors():
            # STATE alone needs no lock of a guest: a hung guest does not hold this up.
            records = c.raw.getAllDomainStats(
                libvirt.VIR_DOMAIN_STATS_STATE, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
            )
    except NotSupported:
        c.lacks.add("getAllDomainStats")
        return {}
    return {d.UUIDString(): (s["state.state"], s["state.reason"]) for d, s in records if "state.state" in s}


def _read(
    domain: Any,
    *,
    state: tuple[int, int],
    persistent: bool,
    autostart: bool,
    saved: bool,
    snapshots: tuple[Snapshot, ...] | None,
) -> Guest:
    uuid, domain_id = UUID(domain.UUIDString()), domain.ID()
    word, reason = state_of(*state, active=domain_id >= 0)
    next_boot, next_boot_xml = _definition(domain, libvirt.VIR_DOMAIN_XML_INACTIVE) if persistent else (None, "")
    # A transient guest that stopped meanwhile is gone: asking for its XML says so.
    live, live_xml = _definition(domain, 0) if word.is_active or next_boot is None else (None, "")
    return Guest(
        uuid=uuid,
        domain_id=domain_id if domain_id >= 0 and word.is_active else None,
        name=domain.name(),
        state=word,
        reason=reason,
        privileged=uuid.int == 0,
        persistent=persistent,
        autostart=autostart,
        saved=saved,
        snapshots=snapshots,
        live=live,
        next_boot=next_boot,
        live_xml=live_xml,
        next_boot_xml=next_boot_xml,
    )


def _definition(domain: Any, flags: int) -> tuple[Definition, str]:
    """As values, and as the text that they were read from."""
    xml = domain.XMLDesc(flags)
    try:
        return parse_definition(xml), xml
    except UnreadableDefinition as error:
        logger.warning("the definition of guest %s is unreadable: %s", domain.UUIDString(), error)
        return _bare_definition(domain), ""


def _bare_definition(domain: Any) -> Definition:
    """What is known of a guest whose XML is refused, so that the others are still shown: sizes, no devices."""
    _state, maximum_kib, current_kib, vcpus, _time = domain.info()
    return Definition(
        uuid=UUID(domain.UUIDString()),
        name=domain.name(),
        title="",
        description="",
        virtualisation=Virtualisation.FULL,
        os_type="",
        domain_type="",
        machine="",
        firmware="",
        memory=Memory(current_kib=current_kib, maximum_kib=maximum_kib),
        vcpus=VCPUs(current=vcpus, maximum=vcpus),
        balloon=False,
        stats_period_s=0,
        disks=(),
        nics=(),
        text_consoles=(),
        graphics=(),
    )
