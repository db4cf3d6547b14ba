"""XML of a hypervisor as a tree: size and depth limited, no DTD, no entities, no network, no comments."""

from __future__ import annotations

from lxml import etree

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64


class UnreadableDefinition(ValueError):
    """XML that is no description of a guest, or one that we refuse to read; the text is technical. `line` and `column`
    count from 1; 0 where the whole is meant.
    """

    def __init__(self, message: str, *, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def parse_document(xml: str) -> etree._Element:
    """The root of an XML text, or UnreadableDefinition."""
    try:
        content = xml.encode()
    except UnicodeEncodeError as error:
        raise UnreadableDefinition("not Unicode text") from error
    if len(content) > MAX_BYTES:
        raise UnreadableDefinition(f"larger than {MAX_BYTES} bytes")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise UnreadableDefinition(f"not well-formed: {error.msg}", line=line or 0, column=column or 0) from error
    document = root.getroottree().docinfo
    if document.internalDTD is not None or document.doctype:
        raise UnreadableDefinition("has a document type")
    _refuse_depth(root)
    return root


def _refuse_depth(root: etree._Element) -> None:
    depth = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > MAX_DEPTH:
            raise UnreadableDefinition(f"nested deeper than {MAX_DEPTH} elements", line=element.sourceline or 0)


def text_of(root: etree._Element, path: str) -> str:
    """The text at a path, "" where there is none; first hit wins."""
    found = root.findtext(path)
    return (found or "").strip()


def attribute(root: etree._Element, path: str, name: str, default: str = "") -> str:
    """An attribute of the element at a path, `default` where either is missing."""
    found = root if path == "." else root.find(path)
    return default if found is None else (found.get(name) or default)


def number(text: str, what: str) -> int:
    """A whole number that is not negative, or UnreadableDefinition."""
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        raise UnreadableDefinition(f"{what} is no number: {text[:40]!r}")
    return int(text)
