"""What a definition that somebody typed may say: no program, device, file or label of the host that its guest does not
have already. What stands unchanged may stay; everything refused is named with its line.

libvirt itself accepts any path, runs what `qemu:commandline` names, and lets a guest's disk be read in any format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from lxml import etree

from guests.hypervisor.definition_text import tight
from guests.hypervisor.definition_vocabulary import (
    DEVICES,
    FREE_TEXT,
    HARMLESS_METADATA,
    HARMLESS_TYPES,
    NAMED,
    OF_A_DISK_S_STORE,
    OF_A_NIC_ITSELF,
    PATHS,
    READ_ONLY_FILES,
    SOURCES_OF_ENTROPY,
    TOP_LEVEL,
)
from guests.hypervisor.xml_document import attribute


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that may not be: the line counts from 1, 0 where the whole is meant."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Permissions:
    """What may be added that a guest did not have. Each answers why not, or ""."""

    path: Callable[[str], str]  # a file that the guest only reads: kernel, initrd
    volume: Callable[[str, str], str]  # path or "pool/volume", format
    taken: Callable[[str, str, bool, bool], str]  # by another guest; the same, whether it writes, shareable
    network: Callable[[str, str], str]  # kind and name


def problems_of(root: etree._Element, standing: Sequence[etree._Element], may: Permissions) -> list[Problem]:
    """Everything that is refused. `standing`: definitions whose parts may stay; the first one is the guest's own."""
    if root.tag != "domain":
        return [Problem(root.sourceline or 0, _("The definition of a guest is a <domain>."))]
    for tree in (root, *standing):
        tight(tree)
    return [
        *_identity(root, standing[0]),
        *sorted(_Rules(standing, may).problems(root), key=lambda problem: problem.line),
    ]


def _identity(root: etree._Element, own: etree._Element) -> Iterator[Problem]:
    texts = {
        "uuid": _("The UUID cannot change: a guest with another one is another guest."),
        "name": _("The name is changed under Settings, while the guest is shut off."),
    }
    for tag, text in texts.items():
        found = root.findall(tag)
        if [element.text for element in found] != [own.findtext(tag)]:
            yield Problem(((found[-1] if found else root).sourceline) or 0, text)


class _Rules:
    """What stands, as what it is compared with."""

    def __init__(self, standing: Sequence[etree._Element], may: Permissions) -> None:
        elements = [element for root in standing for element in root.iter(etree.Element)]
        self._may = may
        self._forms = {(_parent(element), _form(element)) for element in elements}
        self._paths = {path for element in elements for path in _paths(element)}
        self._own_disks = Counter(_store(disk) for disk in standing[0].iterfind("devices/disk"))
        self._disks = _counted([_store(d) for d in root.iterfind("devices/disk")] for root in standing)
        self._nics = _counted([_connection(n) for n in root.iterfind("devices/interface")] for root in standing)
        self._stored: set[str] = set()

    def problems(self, root: etree._Element) -> Iterator[Problem]:
        for part in root.iterchildren(etree.Element):
            if part.tag not in TOP_LEVEL:
                yield from self._unless_it_stands(part)
            elif part.tag == "metadata":
                yield from self._metadata(part)
            elif part.tag == "devices":
                for device in part.iterchildren(etree.Element):
                    yield from self._device(device)
            else:
                yield from self._inside(part)

    def _stands(self, element: etree._Element) -> bool:
        return (_parent(element), _form(element)) in self._forms

    def _unless_it_stands(self, element: etree._Element) -> Iterator[Problem]:
        if not self._stands(element):
            yield _refused(element)

    def _metadata(self, metadata: etree._Element) -> Iterator[Problem]:
        text = _("Hooks of the host may act on <%(tag)s>: it cannot be added or changed here.")
        for element in metadata:
            if not self._stands(element) and etree.QName(element).namespace not in HARMLESS_METADATA:
                yield Problem(element.sourceline or 0, text % {"tag": _name(element)})

    def _device(self, device: etree._Element) -> Iterator[Problem]:
        if device.tag == "disk":
            yield from self._disk(device)
        elif device.tag == "interface":
            yield from self._nic(device)
        elif device.tag not in DEVICES:
            yield from self._unless_it_stands(device)
            return
        elif not self._stands(device) and not _stays_inside(device):
            text = _("A <%(tag)s> of this type leads out of the guest: it cannot be added here.")
            yield Problem(device.sourceline or 0, text % {"tag": _name(device)})
            return
        yield from self._inside(device)

    def _disk(self, disk: etree._Element) -> Iterator[Problem]:
        store, source = _store(disk), disk.find("source")
        writes = disk.find("readonly") is None and disk.get("device") != "cdrom"
        shareable = disk.find("shareable") is not None
        place = _place(source)
        if place and writes and not shareable and place in self._stored:
            yield Problem(disk.sourceline or 0, _("Two disks write to the same place."))
        self._stored.add(place)
        is_own, stood = self._own_disks[store] > 0, self._disks[store] > 0
        self._own_disks[store] -= is_own
        self._disks[store] -= stood
        if source is None or is_own:
            return
        why_not = "" if stood else self._why_no_disk(disk, source, place)
        why_not = why_not or self._may.taken(place, attribute(disk, "driver", "type"), writes, shareable)
        if why_not:
            yield Problem(source.sourceline or 0, why_not)

    def _why_no_disk(self, disk: etree._Element, source: etree._Element, place: str) -> str:
        names = {"file": ["file"], "block": ["dev"], "volume": ["pool", "volume"]}.get(disk.get("type", ""), [])
        layers = [
            child
            for child in disk
            if child.tag in {"mirror", "dataStore"} or (child.tag == "backingStore" and len(child))
        ]
        attributes = set(map(str, disk.attrib)) - {"type", "device", "snapshot", "model"}
        if (
            not names
            or list(map(str, source.attrib)) != names
            or len(source)
            or layers
            or attributes
            or disk.get("device", "disk") not in {"disk", "cdrom", "floppy"}
        ):
            return _("A disk that is new, or stored otherwise than now, must be a plain volume of a pool.")
        return self._may.volume(place, attribute(disk, "driver", "type"))

    def _nic(self, nic: etree._Element) -> Iterator[Problem]:
        connection, source, kind = _connection(nic), nic.find("source"), nic.get("type", "")
        if self._nics[connection] > 0:
            self._nics[connection] -= 1
            return
        odd = [child for child in nic if child.tag not in OF_A_NIC_ITSELF and child is not source]
        plain = kind in {"network", "bridge"} and set(map(str, nic.attrib)) == {"type"} and not odd
        if source is None or not plain or len(source) or list(map(str, source.attrib)) != [kind]:
            text = _("A NIC that is new, or connected otherwise than now, must lead to a network or a bridge.")
            yield Problem(nic.sourceline or 0, text)
        elif why_not := self._may.network(kind, str(source.attrib[kind])):
            yield Problem(source.sourceline or 0, why_not)

    def _inside(self, element: etree._Element) -> Iterator[Problem]:
        """Names and paths that are refused wherever they stand; what is refused is not looked into."""
        if element.get("passwd") is not None:
            text = _("Passwords are neither shown nor set here: leave “passwd” out, a password that there is stays.")
            yield Problem(element.sourceline or 0, text)
        if self._stands(element):
            return
        reaches_out = element.tag in NAMED or etree.QName(element).namespace is not None
        if reaches_out or any(str(name).startswith("{") for name in element.attrib):
            yield _refused(element)
            return
        is_store = element.tag == "source" and _parent(element) == "disk"  # looked at as a whole
        if element.tag == "source" and "protocol" in element.attrib and not is_store:
            yield _refused(element)
            return
        if not is_store:
            yield from self._new_paths(element)
        for child in element.iterchildren(etree.Element):
            yield from self._inside(child)

    def _new_paths(self, element: etree._Element) -> Iterator[Problem]:
        for found in _paths(element):
            tag, name, path = found
            if found in self._paths or (tag == "backend" and not name and path in SOURCES_OF_ENTROPY):
                continue
            why_not = (
                self._may.path(path) if tag in READ_ONLY_FILES else _("This path does not stand in the definition.")
            )
            if why_not:
                yield Problem(element.sourceline or 0, f"{path[:200]}: {why_not}")


def _stays_inside(device: etree._Element) -> bool:
    """Whether a new device of this type leads to nothing outside the guest."""
    if device.tag == "tpm":
        return attribute(device, "backend", "type") == "emulator"
    if device.tag == "rng":
        return attribute(device, "backend", "model") in {"random", "builtin"}
    return device.tag not in HARMLESS_TYPES or device.get("type") in HARMLESS_TYPES[str(device.tag)]


def _counted(each: Iterator[list[object]] | Sequence[list[object]]) -> Counter[object]:
    """How often each may stand: as often as in the definition that has it most often."""
    found: Counter[object] = Counter()
    for some in each:
        found |= Counter(some)
    return found


def _form(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True)


def _parent(element: etree._Element) -> object:
    parent = element.getparent()
    return "" if parent is None else parent.tag


def _store(disk: etree._Element) -> object:
    """What a disk is stored in, and how it is read and written."""
    parts = sorted(_form(child) for child in disk if child.tag in OF_A_DISK_S_STORE)
    attributes = {"device": "disk", **{str(name): str(value) for name, value in disk.attrib.items()}}
    return tuple(sorted(attributes.items())), attribute(disk, "driver", "type"), tuple(parts)


def _connection(nic: etree._Element) -> object:
    """What a NIC leads to, and by what."""
    parts = sorted(_form(child) for child in nic if child.tag not in OF_A_NIC_ITSELF)
    return tuple(sorted((str(name), str(value)) for name, value in nic.attrib.items())), tuple(parts)


def _place(source: etree._Element | None) -> str:
    """A path, or "pool/volume"; "" for an empty drive."""
    return "" if source is None else "/".join(map(str, source.attrib.values()))


def _paths(element: etree._Element) -> Iterator[tuple[str, str, str]]:
    """(tag, attribute or "", path)."""
    tag = str(element.tag)
    if tag in FREE_TEXT or (tag == "source" and _parent(element) == "interface"):
        return
    for name, value in element.attrib.items():
        if value.startswith("/") or (value and (tag, str(name)) in PATHS):
            yield tag, str(name), value
    text = (element.text or "").strip()
    if text and tag != "entry" and (text.startswith("/") or (tag, "") in PATHS):
        yield tag, "", text


def _refused(element: etree._Element) -> Problem:
    text = _("<%(tag)s> cannot be added or changed here: it reaches out of the guest.")
    return Problem(element.sourceline or 0, text % {"tag": _name(element)})


def _name(element: etree._Element) -> str:
    """As it was typed: "qemu:commandline"."""
    local = etree.QName(element).localname
    return (f"{element.prefix}:{local}" if element.prefix else local)[:60]


def macs_of(root: etree._Element) -> list[tuple[int, str]]:
    """The line of each NIC with its MAC in lower case, "" where it names none."""
    nics = root.findall("devices/interface")
    return [(nic.sourceline or 0, attribute(nic, "mac", "address").lower()) for nic in nics]


def places_of(root: etree._Element) -> list[str]:
    """Where the disks are stored: paths, and "pool/volume"."""
    return [place for disk in root.iterfind("devices/disk") if (place := _place(disk.find("source")))]
