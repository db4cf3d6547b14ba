"""The storage pools of a host with their volumes, as libvirt tells them.

A pool whose storage hangs (NFS) may hold up every call that touches it, and the listing of all: see
`worker/storage_thread.py`, which asks for each with a deadline.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from lxml import etree

from guests.errors import HypervisorError, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.xml_document import UnreadableDefinition, attribute, number, parse_document, text_of
from guests.resources import Pool, Volume

# What libvirt calls the format of a block device is no image's: it tells what kind of partition it is, or nothing.
_NO_IMAGE = {"none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid", "unknown"}


def list_pool_uuids(c: Connection) -> list[UUID] | None:
    """Every pool that libvirt knows, one call; None where the driver has no storage."""
    if "listAllStoragePools" in c.lacks:
        return None
    try:
        with translated_errors():
            return [UUID(pool.UUIDString()) for pool in c.raw.listAllStoragePools(0)]
    except NotSupported:
        c.lacks.add("listAllStoragePools")
        return None


def find_pool(c: Connection, uuid: UUID) -> Any:
    """Libvirt's object for a pool, or StorageNotFound; one call. For this room only."""
    with translated_errors():
        return c.raw.storagePoolLookupByUUIDString(str(uuid))


def get_pool(c: Connection, uuid: UUID) -> Pool:
    """One pool and its volumes: six calls, and one for each volume. StorageNotFound where the host has it no more."""
    pool = find_pool(c, uuid)
    with translated_errors(pool.name()):
        xml = pool.XMLDesc(0)
        active, persistent = bool(pool.isActive()), bool(pool.isPersistent())
        autostart = bool(pool.autostart()) if persistent else False
        found = pool.listAllVolumes(0) if active else None
    root = _tree(xml, pool.name())
    return Pool(
        uuid=uuid,
        name=pool.name(),
        kind=root.get("type", ""),
        active=active,
        persistent=persistent,
        autostart=autostart,
        path=text_of(root, "target/path"),
        source=_source(root),
        capacity_bytes=_bytes(root, "capacity"),
        allocation_bytes=_bytes(root, "allocation"),
        available_bytes=_bytes(root, "available"),
        volumes=None if found is None else _volumes(found),
    )


def free_bytes(c: Connection, uuid: UUID) -> int:
    """What new volumes of a pool could take. Two calls."""
    pool = find_pool(c, uuid)
    with translated_errors(pool.name()):
        return int(pool.info()[3])


def refresh_pool(c: Connection, uuid: UUID) -> None:
    """Have libvirt look into the pool again. It stops a pool in which it cannot look any more."""
    pool = find_pool(c, uuid)
    with translated_errors(pool.name()):
        pool.refresh(0)


def _volumes(found: list[Any]) -> tuple[Volume, ...]:
    """One that goes away meanwhile, or that its storage does not tell of, is left out."""
    volumes = []
    for volume in found:
        with suppress(HypervisorError, UnreadableDefinition), translated_errors():
            volumes.append(parse_volume(volume.XMLDesc(0)))
    return tuple(sorted(volumes, key=lambda volume: volume.name))


def parse_volume(xml: str) -> Volume:
    """A `<volume>` as a value, or UnreadableDefinition."""
    root = parse_document(xml)
    kind, format = root.get("type", "file"), attribute(root, "target/format", "type", "raw")
    return Volume(
        name=text_of(root, "name"),
        key=text_of(root, "key"),
        path=text_of(root, "target/path"),
        format="raw" if kind == "block" and format in _NO_IMAGE else format,
        kind=kind,
        capacity_bytes=_bytes(root, "capacity"),
        allocation_bytes=_bytes(root, "allocation"),
        backing_path=text_of(root, "backingStore/path"),
    )


def _bytes(root: etree._Element, path: str) -> int:
    text = text_of(root, path)  # libvirt always answers in bytes
    return number(text, path) if text else 0


def _source(root: etree._Element) -> str:
    """In words: "server:/export", "vg0", "/dev/sdb"."""
    source = root.find("source")
    if source is None or root.get("type") == "dir":
        return ""
    host, directory = attribute(source, "host", "name"), attribute(source, "dir", "path")
    device, name = attribute(source, "device", "path"), text_of(source, "name")
    return ":".join(part for part in (host, directory or name or device) if part)


def _tree(xml: str, name: str) -> etree._Element:
    try:
        return parse_document(xml)
    except UnreadableDefinition as error:
        raise OperationRefused(f"{name}: {error}", detail=str(error)) from error
