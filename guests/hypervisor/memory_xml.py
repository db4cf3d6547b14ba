"""What a domain XML says of a guest's memory: what it boots with, the room to plug in more, and what is plugged in."""

from __future__ import annotations

from lxml import etree

from guests.cpu_sets import cpu_set_text, parse_cpu_set
from guests.hypervisor.xml_document import UnreadableDefinition, attribute, number, text_of
from guests.resources import Hotplug, Memory, MemoryDevice, NUMACell
from guests.units import to_kib


def parse_memory(root: etree._Element) -> Memory:
    """The amounts as `Memory` has them. libvirt counts DIMMs among both. What a running guest took of virtio-mem it
    counts as current memory, what a next boot requests of it it does not: that is added here.
    """
    maximum = kib_at(root, "memory")
    devices = parse_hotplug(root).devices
    requested = sum(device.requested_kib for device in devices if device.in_parts and device.taken_kib is None)
    if root.find("currentMemory") is None:
        return Memory(current_kib=maximum, maximum_kib=maximum)
    return Memory(current_kib=kib_at(root, "currentMemory") + requested, maximum_kib=maximum)


def parse_hotplug(root: etree._Element) -> Hotplug:
    """`<maxMemory>`, the NUMA cells and the memory devices."""
    room = root.find("maxMemory")
    names: dict[str, int] = {}
    return Hotplug(
        ceiling_kib=0 if room is None else kib_at(root, "maxMemory"),
        slots=0 if room is None else number(room.get("slots", "0"), "the slots of <maxMemory>"),
        cells=tuple(_cell(cell) for cell in root.iterfind("cpu/numa/cell")),
        devices=tuple(_device(device, names) for device in root.iterfind("devices/memory")),
    )


def _cell(cell: etree._Element) -> NUMACell:
    try:
        cpus = cpu_set_text(parse_cpu_set(cell.get("cpus", "")))
    except ValueError as error:
        raise UnreadableDefinition(str(error)) from error
    amount = number(cell.get("memory", "0"), "the memory of a <cell>")
    return NUMACell(cpus=cpus, memory_kib=_in_kib(amount, cell.get("unit", "KiB"), "<cell>"))


def _device(device: etree._Element, names: dict[str, int]) -> MemoryDevice:
    model = device.get("model", "")
    place = names[model] = names.get(model, -1) + 1
    name = attribute(device, "alias", "name") or _later_name(device, model, place)
    if model != "virtio-mem":
        return MemoryDevice(name=name, model=model, size_kib=_target(device, "size"))
    return MemoryDevice(
        name=name,
        model=model,
        size_kib=_target(device, "size"),
        block_kib=_target(device, "block"),
        requested_kib=_target(device, "requested"),
        taken_kib=None if device.find("target/current") is None else _target(device, "current"),
    )


def _later_name(device: etree._Element, model: str, place: int) -> str:
    """What libvirt will call a device at the next boot: a DIMM by its slot, the others by their order."""
    slot = attribute(device, "address", "slot") if model in {"dimm", "nvdimm"} else ""
    return f"{model.replace('-', '')}{slot or place}"


def _target(device: etree._Element, tag: str) -> int:
    return kib_at(device, f"target/{tag}") if device.find(f"target/{tag}") is not None else 0


def kib_at(root: etree._Element, path: str) -> int:
    """The amount at a path, in KiB whatever its unit."""
    return _in_kib(number(text_of(root, path), f"<{path}>"), attribute(root, path, "unit", "KiB"), f"<{path}>")


def _in_kib(amount: int, unit: str, what: str) -> int:
    try:
        return to_kib(amount, unit)
    except KeyError as error:
        raise UnreadableDefinition(f"unknown unit of {what}") from error
