"""What is done to pools: defined, started, stopped, started with the host, forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from lxml import etree

from guests.errors import HypervisorError
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.pools import find_pool


@dataclass(frozen=True, slots=True)
class NewPool:
    """A pool that is not there yet, of one of the kinds that can be made here."""

    name: str
    kind: str  # dir, netfs, logical
    path: str  # where its volumes will be on the host
    server: str = ""  # of netfs
    export: str = ""  # of netfs: the directory on the server
    group: str = ""  # of logical: the volume group, which must exist


def make_pool(c: Connection, new: NewPool, *, autostart: bool) -> UUID:
    """Define a pool, make its directory where it has one, and start it. What cannot be started is forgotten again."""
    with translated_errors(new.name):
        pool = c.raw.storagePoolDefineXML(_description(new), 0)
    try:
        with translated_errors(new.name):
            if new.kind != "logical":
                pool.build(0)  # makes the directory; of a volume group it would write on devices
            pool.create(0)
            if autostart:
                pool.setAutostart(1)
    except HypervisorError:
        with translated_errors(new.name):
            if pool.isActive():
                pool.destroy()
            pool.undefine()
        raise
    return UUID(pool.UUIDString())


def start_pool(c: Connection, uuid: UUID) -> None:
    """Make its volumes available: mounts, activates."""
    pool = find_pool(c, uuid)
    with translated_errors(pool.name()):
        pool.create(0)


def stop_pool(c: Connection, uuid: UUID) -> None:
    """Take its volumes from view: unmounts, deactivates. Nothing in it is deleted."""
    pool = find_pool(c, uuid)
    with translated_errors(pool.name()):
        pool.destroy()


def set_pool_autostart(c: Connection, uuid: UUID, *, on: bool) -> None:
    """Whether it starts with its host."""
    pool = find_pool(c, uuid)
    with translated_errors(pool.name()):
        pool.setAutostart(int(on))


def forget_pool(c: Connection, uuid: UUID) -> None:
    """Stop it and forget its definition. Its volumes stay where they are."""
    pool = find_pool(c, uuid)
    with translated_errors(pool.name()):
        if pool.isActive():
            pool.destroy()
        if pool.isPersistent():
            pool.undefine()


def _description(new: NewPool) -> str:
    root = etree.Element("pool", type=new.kind)
    etree.SubElement(root, "name").text = new.name
    source = etree.SubElement(root, "source")
    if new.kind == "netfs":
        etree.SubElement(source, "host", name=new.server)
        etree.SubElement(source, "dir", path=new.export)
        etree.SubElement(source, "format", type="nfs")
    elif new.kind == "logical":
        etree.SubElement(source, "name").text = new.group
        etree.SubElement(source, "format", type="lvm2")
    etree.SubElement(etree.SubElement(root, "target"), "path").text = new.path
    return etree.tostring(root, encoding="unicode")
