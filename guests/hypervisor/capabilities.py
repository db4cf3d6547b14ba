"""In which ways a host can run a guest: read from libvirt's capabilities, which may cost seconds, once a connection."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from lxml import etree

from guests.errors import HypervisorError, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.xml_document import UnreadableDefinition, attribute, number, parse_document, text_of

BIOS, UEFI = "BIOS", "UEFI"
_PC = {"x86_64", "i686"}
_MACHINES = ("q35", "virt", "pc", "xenfv")  # what a new guest gets, the first of them that there is
_ORDER = (("hvm", "kvm"), ("hvm", "xen"), ("xen", "xen"), ("xenpvh", "xen"))  # the usual first, software emulation last


@dataclass(frozen=True, slots=True)
class Offer:
    """One way: an `<os><type>` for the host's own architecture with a hypervisor to run it."""

    os_type: str  # hvm; xen (para-virtualised), xenpvh
    domain_type: str  # kvm, qemu (software emulation), xen, test
    arch: str
    machine: str  # that new guests get; "" where the driver names none
    maximum_vcpus: int | None = None  # None: not told
    firmwares: tuple[str, ...] = ()  # BIOS, UEFI; none for what boots a kernel only
    cpu_modes: tuple[str, ...] = ()
    disk_buses: tuple[str, ...] = ()
    video_models: tuple[str, ...] = ()
    graphics: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What a form calls it."""
        return f"{self.os_type}-{self.domain_type}"

    @property
    def is_full(self) -> bool:
        """Full virtualisation: with firmware, so that it boots whatever a machine boots."""
        return self.os_type == "hvm"


def read_offers(c: Connection) -> list[Offer]:
    """What the host offers for its own architecture, the usual first. One call, and one for each offer."""
    try:
        with translated_errors():
            xml, architecture = c.raw.getCapabilities(), str(c.raw.getInfo()[0])
        offers = parse_capabilities(xml, architecture)
    except (NotSupported, OperationRefused, UnreadableDefinition):
        return []
    return [_in_detail(c, offer, emulator) for offer, emulator in offers]


def _in_detail(c: Connection, offer: Offer, emulator: str) -> Offer:
    """With what the driver tells of it; as it was where it tells nothing."""
    with suppress(HypervisorError, UnreadableDefinition), translated_errors():
        xml = c.raw.getDomainCapabilities(emulator or None, offer.arch, offer.machine or None, offer.domain_type, 0)
        return with_domain_capabilities(offer, xml)
    return offer


def parse_capabilities(xml: str, architecture: str) -> list[tuple[Offer, str]]:
    """The offers of `<capabilities>` for one architecture, each with its emulator; the usual first."""
    found: dict[str, tuple[Offer, str]] = {}
    for guest in parse_document(xml).iterfind("guest"):
        for arch in guest.findall(f"arch[@name='{architecture}']"):
            machine, maximum = _machine(arch)
            for domain in arch.iterfind("domain"):
                offer = Offer(
                    os_type=text_of(guest, "os_type"),
                    domain_type=domain.get("type", ""),
                    arch=architecture,
                    machine=machine,
                    maximum_vcpus=maximum,
                    firmwares=(BIOS,) if architecture in _PC and text_of(guest, "os_type") == "hvm" else (),
                )
                found.setdefault(offer.key, (offer, text_of(domain, "emulator") or text_of(arch, "emulator")))
    ways = [(offer.os_type, offer.domain_type) for offer, _emulator in found.values()]
    order = [*_ORDER, *ways]
    return sorted(found.values(), key=lambda pair: order.index((pair[0].os_type, pair[0].domain_type)))


def _machine(arch: etree._Element) -> tuple[str, int | None]:
    """The machine that a new guest gets, and how many vCPUs it may have."""
    machines = {(machine.text or "").strip(): machine for machine in arch.iterfind("machine")}
    chosen = next((name for name in _MACHINES if name in machines), next(iter(machines), ""))
    most: Any = machines[chosen].get("maxCpus", "") if chosen else ""
    return chosen, int(most) if most.isascii() and most.isdigit() else None


def with_domain_capabilities(offer: Offer, xml: str) -> Offer:
    """The offer with what `<domainCapabilities>` says of it."""
    root = parse_document(xml)
    most = attribute(root, "vcpu", "max")
    efi = (UEFI,) if offer.is_full and "efi" in _values(root, "os/enum[@name='firmware']") else ()
    return replace(
        offer,
        maximum_vcpus=number(most, "the most vCPUs") if most else offer.maximum_vcpus,
        firmwares=(*offer.firmwares, *efi),
        cpu_modes=tuple(mode.get("name", "") for mode in root.findall("cpu/mode[@supported='yes']")),
        disk_buses=_values(root, "devices/disk/enum[@name='bus']"),
        video_models=_values(root, "devices/video/enum[@name='modelType']"),
        graphics=_values(root, "devices/graphics/enum[@name='type']"),
    )


def _values(root: etree._Element, path: str) -> tuple[str, ...]:
    return tuple((value.text or "").strip() for value in root.iterfind(f"{path}/value"))
