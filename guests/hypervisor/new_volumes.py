"""Volumes of a new guest: its disk, empty or of an image, and its seed. What is there already is never written to."""

from __future__ import annotations

from uuid import UUID

import libvirt
from lxml import etree

from guests.errors import HypervisorError
from guests.hypervisor import volumes
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.pools import find_pool
from guests.resources import Volume

UPLOAD_BYTES = 256 * 1024
Place = tuple[UUID, str]  # a pool and a name in it


def get_volume(c: Connection, place: Place) -> Volume:
    """The volume as the host tells it now, or StorageNotFound: its path is the host's answer, never a form's."""
    return volumes.get_volume(c, *place)


def make_disk(c: Connection, place: Place, *, capacity_bytes: int, format: str, whole: bool = False) -> Volume:
    """An empty disk; a file takes room only where it is written to, unless `whole`. Refused where there is one."""
    volumes.create_volume(c, *place, format, capacity_bytes, whole=whole)
    return get_volume(c, place)


def copy_disk(c: Connection, place: Place, image: Place, *, format: str, whole: bool = False) -> Volume:
    """A disk with the content of an image, and as large; takes as long as the image is large."""
    volumes.clone_volume(c, *image, *place, format, whole=whole)
    return get_volume(c, place)


def link_disk(c: Connection, place: Place, image: Place, *, image_format: str, capacity_bytes: int) -> Volume:
    """A qcow2 disk that holds only what differs from an image, which must stay as it is from now on."""
    root = etree.Element("volume")
    etree.SubElement(root, "name").text = place[1]
    etree.SubElement(root, "capacity", unit="bytes").text = str(capacity_bytes)
    etree.SubElement(etree.SubElement(root, "target"), "format", type="qcow2")
    backing = etree.SubElement(root, "backingStore")
    etree.SubElement(backing, "path").text = get_volume(c, image).path
    etree.SubElement(backing, "format", type=image_format)
    pool = find_pool(c, place[0])
    with translated_errors(place[1]):
        pool.createXML(etree.tostring(root, encoding="unicode"), 0)
    return get_volume(c, place)


def grow_disk(c: Connection, place: Place, capacity_bytes: int) -> None:
    """Make a disk that no guest runs from larger; one that is as large stays as it is."""
    if get_volume(c, place).capacity_bytes < capacity_bytes:
        volumes.grow_volume(c, *place, capacity_bytes)


def fill_volume(c: Connection, place: Place, content: bytes) -> None:
    """Write the content of a raw volume that was just made as large as that."""
    volume = volumes.find_volume(c, *place)
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
    volumes.delete_volume(c, *place)


def is_being_written(error: HypervisorError) -> bool:
    """Whether a volume could not be deleted because libvirt still fills it: it goes on when who asked is gone."""
    return bool(error.code == libvirt.VIR_ERR_OPERATION_INVALID)
