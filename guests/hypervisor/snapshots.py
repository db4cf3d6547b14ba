"""Taking snapshots, going back to them, deleting them. Each call lasts as long as the guest's memory or disk is large.

Snapshots are libvirt's internal ones, inside the guest's qcow2 disks: libvirt can go back to them and delete them since
ever; of those in files beside the disks it learned the one with 9.9, the other with 9.0.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import libvirt
from django.utils.translation import gettext as _
from lxml import etree

from guests.errors import HypervisorError, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.domain_xml import parse_definition
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.reading import find_domain
from guests.hypervisor.snapshot_reading import snapshot_tree, snapshots_of
from guests.hypervisor.xml_document import UnreadableDefinition
from guests.resources import Definition, GuestState, Snapshot

_THEN = {
    GuestState.RUNNING: libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING,
    GuestState.PAUSED: libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED,
}


def list_snapshots(c: Connection, uuid: UUID) -> tuple[Snapshot, ...]:
    """All of a guest, oldest first; NotSupported where the driver has none."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        return snapshots_of(domain)


def take_snapshot(c: Connection, uuid: UUID, name: str, description: str) -> None:
    """Keep the disks, and the memory of a guest that is active: it stands still meanwhile. Blocks `c`."""
    root = etree.Element("domainsnapshot")
    etree.SubElement(root, "name").text = name
    if description:
        etree.SubElement(root, "description").text = description
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        domain.snapshotCreateXML(etree.tostring(root, encoding="unicode"), 0)


def revert_to_snapshot(c: Connection, uuid: UUID, name: str, then: GuestState | None) -> None:
    """Make disks, memory and definition what they were: what they are is lost. Blocks `c`.

    `then`: running or paused, None for what the guest did when the snapshot was taken. FORCE lets libvirt start another
    QEMU where the one that runs does not fit the definition of then.
    """
    domain = find_domain(c, uuid)
    snapshot = _named(domain, name)
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE | (_THEN[then] if then is not None else 0)
    with translated_errors(domain.name()):
        domain.revertToSnapshot(snapshot, flags)


def delete_snapshot(c: Connection, uuid: UUID, name: str, *, children: bool) -> None:
    """Forget one; those taken from it stay, unless they are to go with it. The guest goes on. Blocks `c`."""
    domain = find_domain(c, uuid)
    snapshot = _named(domain, name)
    with translated_errors(domain.name()):
        snapshot.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN if children else 0)


def definition_in(c: Connection, uuid: UUID, name: str) -> Definition:
    """What the guest was made of when a snapshot was taken, and will be after going back to it."""
    domain = find_domain(c, uuid)
    snapshot = _named(domain, name)
    with translated_errors(domain.name()):
        xml = snapshot.getXMLDesc(0)
    try:
        inside = snapshot_tree(xml).find("domain")
        if inside is None:
            raise UnreadableDefinition("no <domain>")
        return parse_definition(etree.tostring(inside, encoding="unicode"))
    except UnreadableDefinition as error:
        raise OperationRefused(
            _("The definition in the snapshot %(name)s cannot be read.") % {"name": name}, detail=str(error)
        ) from error


def _named(domain: Any, name: str) -> Any:
    try:
        with translated_errors(domain.name()):
            return domain.snapshotLookupByName(name, 0)
    except HypervisorError as error:
        if error.code != libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT:
            raise
        raise OperationRefused(
            _("%(guest)s has no snapshot %(name)s (any more).") % {"guest": domain.name(), "name": name},
            detail=error.detail,
        ) from error
