"""Room to plug memory into a running guest, and the NUMA cell that this takes: from the next boot on, as a tree.

libvirt (9.0) plugs in memory only beside a NUMA cell, and then changes neither `<memory>` nor fewer vCPUs by a call
(error 55 "initial memory size of a domain with NUMA nodes", error 8 "Number of CPUs in <numa>").
"""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _
from lxml import etree

from guests.cpu_sets import cpu_set_text, parse_cpu_set
from guests.errors import OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.memory_xml import parse_hotplug, parse_memory
from guests.hypervisor.redefining import define_again, next_boot_tree
from guests.units import memory_text

LEAST_KIB = 64 * 1024  # that a guest boots with


def make_room(c: Connection, uuid: UUID, ceiling_kib: int, slots: int) -> None:
    """Let memory be plugged in up to the ceiling; one cell with all vCPUs comes with it, where there is none."""
    domain, root = next_boot_tree(c, uuid)
    room = root.find("maxMemory")
    if room is None:
        room = etree.Element("maxMemory")
        _before(root, "memory", room)
    room.attrib.clear()
    room.set("slots", str(slots))
    room.set("unit", "KiB")
    room.text = str(ceiling_kib)
    if root.find("cpu/numa/cell") is None:
        _add_cell(root)
    define_again(c, domain, root)


def take_room_away(c: Connection, uuid: UUID) -> None:
    """The way back: without room, and without the cell, where it says nothing more than that there is one."""
    domain, root = next_boot_tree(c, uuid)
    for room in root.findall("maxMemory"):
        root.remove(room)
    cells = root.findall("cpu/numa/cell")
    if len(cells) == 1 and _is_plain(cells[0]) and root.find("numatune/memnode") is None:
        _remove_cells(root)
    define_again(c, domain, root)


def set_memory_of_cell(c: Connection, uuid: UUID, kib: int) -> None:
    """`<memory>` of a guest with one cell: what is not plugged in is what the cell boots with."""
    domain, root = next_boot_tree(c, uuid)
    cells, hotplug = root.findall("cpu/numa/cell"), parse_hotplug(root)
    if len(cells) != 1:
        raise OperationRefused(
            _("%(guest)s has %(count)d NUMA cells: how much each has is set in its definition.")
            % {"guest": domain.name(), "count": len(cells)},
            field="maximum_memory",
        )
    boots_with = kib - hotplug.plugged_kib
    if boots_with < LEAST_KIB:
        raise OperationRefused(
            _("%(plugged)s of it is plugged in, and a guest boots with %(least)s at least beside that.")
            % {"plugged": memory_text(hotplug.plugged_kib), "least": memory_text(LEAST_KIB)},
            field="maximum_memory",
        )
    if hotplug.ceiling_kib and kib > hotplug.ceiling_kib:
        raise OperationRefused(
            _("%(guest)s has room for %(ceiling)s: make more room first, under “Memory beyond the maximum”.")
            % {"guest": domain.name(), "ceiling": memory_text(hotplug.ceiling_kib)},
            field="maximum_memory",
        )
    cells[0].set("memory", str(boots_with))
    cells[0].set("unit", "KiB")
    set_amount(root, "memory", kib)
    balloon_kib = kib - sum(device.size_kib for device in hotplug.devices if device.in_parts)
    set_amount(root, "currentMemory", min(balloon_kib, parse_memory(root).current_kib - hotplug.in_parts_kib))
    define_again(c, domain, root)


def set_vcpus_of_cells(c: Connection, uuid: UUID, maximum: int) -> None:
    """The maximum of vCPUs of a guest with cells: new ones are of the first cell; none may lose all of its own."""
    domain, root = next_boot_tree(c, uuid)
    cells = root.findall("cpu/numa/cell")
    known = [parse_cpu_set(cell.get("cpus", "")) for cell in cells]
    wanted = [frozenset(cpu for cpu in cpus if cpu < maximum) for cpus in known]
    wanted[0] |= frozenset(range(maximum)) - frozenset().union(*known)
    if any(had and not has for had, has in zip(known, wanted, strict=True)):
        raise OperationRefused(
            _("A NUMA cell of %(guest)s would have no vCPU left: its cells are set in its definition.")
            % {"guest": domain.name()},
            field="maximum_vcpus",
        )
    for cell, cpus in zip(cells, wanted, strict=True):
        if cpus:
            cell.set("cpus", cpu_set_text(cpus))
    vcpu = root.find("vcpu")
    assert vcpu is not None  # libvirt always writes it
    vcpu.set("current", str(min(int(vcpu.get("current", vcpu.text or "1")), maximum)))
    vcpu.text = str(maximum)
    for listed in root.findall("vcpus"):  # libvirt lists them anew
        root.remove(listed)
    define_again(c, domain, root)


def _add_cell(root: etree._Element) -> None:
    cpu = root.find("cpu")
    if cpu is None:
        cpu = etree.SubElement(root, "cpu")
    vcpus = int(root.findtext("vcpu") or "1")
    etree.SubElement(
        etree.SubElement(cpu, "numa"),
        "cell",
        id="0",
        cpus=cpu_set_text(range(vcpus)),
        memory=str(parse_memory(root).maximum_kib - parse_hotplug(root).plugged_kib),
        unit="KiB",
    )


def _is_plain(cell: etree._Element) -> bool:
    return not len(cell) and set(map(str, cell.attrib)) <= {"id", "cpus", "memory", "unit"}


def _remove_cells(root: etree._Element) -> None:
    cpu = root.find("cpu")
    assert cpu is not None
    for numa in cpu.findall("numa"):
        cpu.remove(numa)
    if not cpu.attrib and not len(cpu):
        root.remove(cpu)


def set_amount(root: etree._Element, tag: str, kib: int) -> None:
    """An amount of memory at the top of a definition."""
    found = root.find(tag)
    if found is None:
        found = etree.Element(tag)
        _before(root, "vcpu", found)
    found.set("unit", "KiB")
    found.text = str(kib)


def _before(root: etree._Element, tag: str, element: etree._Element) -> None:
    """Where libvirt's schema wants it; its parser takes it anywhere."""
    next_one = root.find(tag)
    if next_one is None:
        root.append(element)
    else:
        next_one.addprevious(element)
