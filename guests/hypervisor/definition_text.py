"""The domain XML as a text that people read and compare: what it says, whatever its spaces, and without what only a
running guest has. Pure functions.
"""

from __future__ import annotations

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


def at_rest(xml: str) -> str:
    """A definition as it is when the guest is off, indented: what runs can be compared with the next boot."""
    root = parse_document(xml)
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
    for empty in root.findall("devices/disk//backingStore"):
        if not len(empty) and not empty.attrib and (parent := empty.getparent()) is not None:
            parent.remove(empty)
    etree.indent(tight(root))
    return etree.tostring(root, encoding="unicode") + "\n"


def tight(root: etree._Element) -> etree._Element:
    """Without the spaces between elements; those within a text stay."""
    for element in root.iter():
        if len(element) and element.text and not element.text.strip():
            element.text = None
        if element.tail and not element.tail.strip():
            element.tail = None
    return root
