"""Volumes of a new guest: its disk, empty or of an image, and its seed. What is there already is never written to."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from lxml import etree

from guests.errors import OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.pools import find_pool, parse_volume
from guests.hypervisor.xml_document import UnreadableDefinition
from guests.resources import Volume

UPLOAD_BYTES = 256 * 1024
Place = tuple[UUID, str]  # a pool and a name in it


def get_volume(c: Connection, place: Place) -> Volume:
    """The volume as the host tells it now, or StorageNotFound: its path is the host's answer, never a form's."""
    return _read(_volume(c, place))


def make_disk(c: Connection, place: Place, *, capacity_bytes: int, format: str) -> Volume:
    """An empty disk; a file takes room only where it is written to. Refused where the pool has one of this name."""
    return _made(c, place, _xml(place, capacity_bytes, format))


def copy_disk(c: Connection, place: Place, image: Place, *, format: str) -> Volume:
    """A disk with the content of an image, and as large; takes as long as the image is large."""
    source = _volume(c, image)
    xml = _xml(place, _read(source).capacity_bytes, format)
    pool = find_pool(c, place[0])
    with translated_errors(place[1]):
        return _read(pool.createXMLFrom(xml, source, 0))


def link_disk(c: Connection, place: Place, image: Place, *, image_format: str, capacity_bytes: int) -> Volume:
    """A qcow2 disk that holds only what differs from an image, which must stay as it is from now on."""
    base = (get_volume(c, image).path, image_format)
    return _made(c, place, _xml(place, capacity_bytes, "qcow2", base))


def grow_disk(c: Connection, place: Place, capacity_bytes: int) -> None:
    """Make a disk that no guest runs from larger; one that is as large stays as it is."""
    volume = _volume(c, place)
    if _read(volume).capacity_bytes < capacity_bytes:
        with translated_errors(place[1]):
            volume.resize(capacity_bytes, 0)


def fill_volume(c: Connection, place: Place, content: bytes) -> None:
    """Write the content of a raw volume that was just made as large as that."""
    volume = _volume(c, place)
    with translated_errors(place[1]):
        stream = c.raw.newStream(0)
        try:
            volume.upload(stream, 0, len(content), 0)
            for at in range(0, len(content), UPLOAD_BYTES):
                piece = content[at : at + UPLOAD_BYTES]
                while piece:
                    piece = piece[stream.send(piece) :]
            stream.finish()
        except BaseException:
            stream.abort()
            raise


def delete_volume(c: Connection, place: Place) -> None:
    """Delete it for good."""
    volume = _volume(c, place)
    with translated_errors(place[1]):
        volume.delete(0)


def _volume(c: Connection, place: Place) -> Any:
    pool = find_pool(c, place[0])
    with translated_errors(place[1]):
        return pool.storageVolLookupByName(place[1])


def _made(c: Connection, place: Place, xml: str) -> Volume:
    pool = find_pool(c, place[0])
    with translated_errors(place[1]):
        return _read(pool.createXML(xml, 0))


def _xml(place: Place, capacity_bytes: int, format: str, base: tuple[str, str] | None = None) -> str:
    root = etree.Element("volume")
    etree.SubElement(root, "name").text = place[1]
    etree.SubElement(root, "capacity", unit="bytes").text = str(capacity_bytes)
    etree.SubElement(root, "allocation", unit="bytes").text = "0"
    etree.SubElement(etree.SubElement(root, "target"), "format", type=format)
    if base is not None:
        backing = etree.SubElement(root, "backingStore")
        etree.SubElement(backing, "path").text = base[0]
        etree.SubElement(backing, "format", type=base[1])
    return etree.tostring(root, encoding="unicode")


def _read(volume: Any) -> Volume:
    with translated_errors(volume.name()):
        xml = volume.XMLDesc(0)
    try:
        return parse_volume(xml)
    except UnreadableDefinition as error:
        names = {"volume": volume.name()}
        raise OperationRefused(_("The volume %(volume)s cannot be read.") % names, detail=str(error)) from error
