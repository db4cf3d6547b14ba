"""The domain XML as a text that people read and compare: what it says, whatever its spaces, and without what only a
running guest has. Pure functions.
"""

from __future__ import annotations

from copy import deepcopy
from hashlib import sha256

from lxml import etree

from guests.hypervisor.xml_document import parse_document

# What libvirt adds when a guest starts and takes away when it stops, as (path, attribute); None: the whole element.
_ONLY_WHILE_IT_RUNS = (
    (".", "id"),
    ("devices//alias", None),
    ("devices/console", "tty"),
    ("devices/*/source", "tty"),
    ("devices/disk//source", "index"),
    ("devices/disk//backingStore", "index"),
    ("devices/interface/target", "dev"),
    ("devices/interface/source", "portid"),
    ("devices/interface[@type='network']/source", "bridge"),
    ("devices/graphics[@autoport='yes']", "port"),
    ("devices/graphics[@autoport='yes']", "tlsPort"),
    ("devices/graphics", "socket"),
    ("devices/graphics/listen", "socket"),
    ("resource", None),
    ("seclabel[@type='dynamic']", None),
)


def digest_of(xml: str) -> str:
    """SHA-256 of what a definition says: spaces between elements, quotes and the order of attributes do not count.

    UnreadableDefinition for what is no XML that we read.
    """
    return digest_of_tree(parse_document(xml))


def digest_of_tree(root: etree._Element) -> str:
    """The same of a tree, which is left without the spaces between its elements."""
    return sha256(etree.tostring(tight(root), method="c14n")).hexdigest()


def with_name(xml: str, name: str) -> str:
    """The same definition for a guest that is called otherwise now."""
    root = parse_document(xml)
    found = root.find("name")
    if found is None or found.text == name:
        return xml
    found.text = name
    return etree.tostring(root, encoding="unicode") + "\n"


def as_at_rest(live: str, next_boot: str, *, current_kib: int) -> tuple[str, str]:
    """Both indented, without what only a running guest has: what is left of a difference waits for the next boot.

    `current_kib`: the current memory of now, which moves without the live definition being read anew.
    """
    running, waiting = _at_rest(live), _at_rest(next_boot)
    if (memory := running.find("currentMemory")) is not None:
        memory.set("unit", "KiB")
        memory.text = str(current_kib)
    _take_processor_from(waiting, running)
    texts = []
    for root in (running, waiting):
        etree.indent(root)
        texts.append(etree.tostring(root, encoding="unicode") + "\n")
    return texts[0], texts[1]


def _at_rest(xml: str) -> etree._Element:
    root = tight(parse_document(xml))
    for nic in root.iterfind("devices/interface[@type='bridge']"):
        source = nic.find("source")
        if source is not None and source.get("network"):
            nic.set("type", "network")  # what runs in a network is told as what the network made of it
    for path, attribute in _ONLY_WHILE_IT_RUNS:
        for element in root.findall(path) if path != "." else [root]:
            if attribute is not None:
                element.attrib.pop(attribute, None)
            elif (parent := element.getparent()) is not None:
                parent.remove(element)
    for kind in ("serial", "parallel", "console", "channel"):
        for device in root.iterfind(f"devices/{kind}"):
            source = device.find("source")
            if device.get("type") in {"pty", "unix"} and source is not None:
                device.remove(source)  # the host's path, made anew at each start
    for empty in [*root.findall("devices/disk//backingStore"), *root.findall("devices/interface/target")]:
        if not len(empty) and not empty.attrib and (parent := empty.getparent()) is not None:
            parent.remove(empty)
    for driver in root.iterfind("devices/disk[@device='cdrom']/driver"):
        if (drive := driver.getparent()) is not None and drive.find("source") is None:
            driver.attrib.pop("type", None)  # an empty drive that runs has forgotten its format
    return root


def _take_processor_from(waiting: etree._Element, running: etree._Element) -> None:
    """A model is spelt out when a guest starts: as its name was, it is told, unless the next boot names another."""
    later, now = waiting.find("cpu"), running.find("cpu")
    if later is None or now is None:
        return
    if later.get("mode", "custom") == "custom" and later.findtext("model") != now.findtext("model"):
        return
    spelt_out = ("model", "vendor", "feature")
    for part in [part for part in now if part.tag in spelt_out]:
        now.remove(part)
    now[:0] = [deepcopy(part) for part in later if part.tag in spelt_out]
    now.attrib.clear()
    now.attrib.update(later.attrib)


def tight(root: etree._Element) -> etree._Element:
    """Without the spaces between elements; those within a text stay."""
    for element in root.iter():
        if len(element) and element.text and not element.text.strip():
            element.text = None
        if element.tail and not element.tail.strip():
            element.tail = None
    return root
