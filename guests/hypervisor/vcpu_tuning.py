"""How a guest's vCPUs share the host's CPUs (weight, cap, pins), and the processor that it sees.

Weight and cap are asked of the driver in its own words: `cpu_shares` and `global_quota` of QEMU's control groups,
`weight` and `cap` of Xen's credit scheduler. The next boot's pins and processor are changed as a tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import libvirt
from django.utils.translation import gettext as _
from lxml import etree

from guests.cpu_sets import parse_cpu_set
from guests.errors import NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.cpu_xml import PERIOD_US, percent_of
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.reading import find_domain
from guests.hypervisor.redefining import define_again, next_boot_tree
from guests.resources import CPU

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
NO_QUOTA = -1
# libvirt's words where a host has no control group of CPUs to weigh with, or may not use it.
_NO_GROUPS = ("cgroup", "session mode")


@dataclass(frozen=True, slots=True)
class Scheduling:
    """Weight and caps as the hypervisor tells them; caps are percent of one CPU, 0 for none, None where it has none."""

    weight: int | None = None
    cap_percent: int | None = None
    vcpu_cap_percent: int | None = None


def scheduling(c: Connection, uuid: UUID, *, live: bool = True) -> Scheduling:
    """What the hypervisor's scheduler goes by, now or at the next boot; one call or two."""
    told = _told(c, find_domain(c, uuid), live=live)
    if "cpu_shares" in told:
        return Scheduling(
            told["cpu_shares"],
            percent_of(told.get("global_quota", 0), told.get("global_period", 0)) or 0,
            percent_of(told.get("vcpu_quota", 0), told.get("vcpu_period", 0)) or 0,
        )
    return Scheduling(told.get("weight"), told.get("cap"))


def set_scheduling(c: Connection, uuid: UUID, wanted: Scheduling, *, live: bool) -> None:
    """Set what is not None, now (`live`) or for the next boot; a cap of 0 takes it away."""
    domain = find_domain(c, uuid)
    told = _told(c, domain, live=live)
    ours = "cpu_shares" in told
    changes: dict[str, int] = {}
    if wanted.weight is not None:
        changes["cpu_shares" if ours else "weight"] = wanted.weight
    for percent, period, quota in (
        (wanted.cap_percent, "global_period", "global_quota" if ours else "cap"),
        (wanted.vcpu_cap_percent, "vcpu_period", "vcpu_quota"),
    ):
        if percent is None:
            continue
        if quota not in told:
            raise NotSupported(_("The scheduler of this host has no such cap."))
        period_us = told.get(period) or PERIOD_US
        changes[quota] = percent if quota == "cap" else (percent * period_us // 100 if percent else NO_QUOTA)
    with _scheduler_errors(domain.name()):
        if _takes_flags(c):
            domain.setSchedulerParametersFlags(changes, LIVE if live else CONFIG)
        else:
            domain.setSchedulerParameters(changes)


def _told(c: Connection, domain: Any, *, live: bool) -> dict[str, int]:
    with _scheduler_errors(domain.name()):
        if _takes_flags(c):
            return dict(domain.schedulerParametersFlags(LIVE if live else CONFIG))
        if not live:
            raise NotSupported(
                _("This host keeps weight and cap until the guest is shut off: they cannot be set for the next boot.")
            )
        return dict(domain.schedulerParameters())


def _takes_flags(c: Connection) -> bool:
    """Xen's and the test driver set what runs, and refuse to be told so."""
    return c.driver not in {"xen", "test"}


@contextmanager
def _scheduler_errors(name: str) -> Iterator[None]:
    """A host without control groups of CPUs refuses in words that a person understands."""
    try:
        with translated_errors(name):
            yield
    except (NotSupported, OperationRefused) as error:
        if not any(words in error.detail for words in _NO_GROUPS):
            raise
        raise OperationRefused(
            _(
                "This host cannot weigh or cap guests: its libvirt has no control group of CPUs to do it with, as an "
                "unprivileged one (qemu:///session) never has."
            ),
            detail=error.detail,
        ) from error


def pin_vcpus_now(c: Connection, uuid: UUID, pins: Mapping[int, str], emulator: str | None) -> None:
    """Let each vCPU run on its set only, from now on; "" is every CPU. `emulator` None leaves it as it is."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        cpus = int(c.raw.getCPUMap()[0]) if c.driver != "test" else int(c.raw.getInfo()[2])
        for vcpu, text in pins.items():
            domain.pinVcpu(vcpu, _cpu_map(text, cpus))  # means live; the test driver refuses to be told so
        if emulator is not None:
            domain.pinEmulator(_cpu_map(emulator, cpus), LIVE)


def _cpu_map(text: str, cpus: int) -> tuple[bool, ...]:
    chosen = parse_cpu_set(text) or frozenset(range(cpus))
    if max(chosen) >= cpus:
        raise OperationRefused(
            _("The host has %(cpus)d CPUs, numbered from 0: there is no CPU %(cpu)d.")
            % {"cpus": cpus, "cpu": max(chosen)}
        )
    return tuple(number in chosen for number in range(cpus))


def pin_vcpus_at_boot(c: Connection, uuid: UUID, pins: Mapping[int, str], emulator: str | None) -> None:
    """The same from the next boot on; "" takes the pin away."""
    domain, root = next_boot_tree(c, uuid)
    tune = root.find("cputune")
    if tune is None:
        tune = etree.Element("cputune")
        after = root.find("vcpu")
        assert after is not None  # libvirt always writes it
        after.addnext(tune)
    for vcpu, text in pins.items():
        _set_pin(tune, f"vcpupin[@vcpu='{vcpu}']", "vcpupin", {"vcpu": str(vcpu)}, text)
    if emulator is not None:
        _set_pin(tune, "emulatorpin", "emulatorpin", {}, emulator)
    define_again(c, domain, root)


def _set_pin(tune: etree._Element, path: str, tag: str, named: dict[str, str], text: str) -> None:
    for old in tune.findall(path):
        tune.remove(old)
    if text:
        pin = etree.SubElement(tune, tag, cpuset=text)
        for name, value in named.items():
            pin.set(name, value)


def set_processor(c: Connection, uuid: UUID, cpu: CPU, *, model_too: bool, topology_too: bool) -> None:
    """The processor that the guest sees from its next boot on; what is not named stays."""
    domain, root = next_boot_tree(c, uuid)
    found = root.find("cpu")
    if model_too:
        fresh = etree.Element("cpu")
        if cpu.mode:
            fresh.set("mode", cpu.mode)
        if cpu.mode == "custom":
            etree.SubElement(fresh, "model", fallback="forbid").text = cpu.model
        # What is kept says how the guest's CPUs are laid out; features belonged to the model that goes.
        for kept in [] if found is None else [*found.findall("topology"), *found.findall("numa")]:
            fresh.append(kept)
        if found is not None:
            root.remove(found)
        found = fresh
        root.append(found)
    elif found is None:
        found = etree.SubElement(root, "cpu")
    if topology_too:
        for old in found.findall("topology"):
            found.remove(old)
        if cpu.sockets:
            counts = {name: str(getattr(cpu, name)) for name in ("sockets", "dies", "cores", "threads")}
            if cpu.dies == 1:
                del counts["dies"]  # an older libvirt does not know it
            found.append(etree.Element("topology", counts))
    if not found.attrib and not len(found):
        root.remove(found)
    define_again(c, domain, root)


def cpu_models(c: Connection) -> tuple[str, ...]:
    """The processor models that the host's libvirt knows by name; none where the driver tells none."""
    try:
        with translated_errors():
            return tuple(c.raw.getCPUModelNames(c.raw.getInfo()[0], 0) or ())
    except (NotSupported, OperationRefused):
        return ()
