"""Copying the disks of a guest that runs: all as they are at one moment, while it goes on (virDomainBackupBegin, push).

What is in the guest's memory is not in them: they are as after a power cut. The job is the host's: it goes on when this
process ends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

import libvirt
from django.utils.translation import gettext as _
from lxml import etree

from guests.errors import NotSupported, OperationRefused
from guests.hypervisor.cloning import ClonedDisk
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.reading import find_domain
from guests.hypervisor.xml_document import UnreadableDefinition, attribute, parse_document


def size_of_disk(c: Connection, uuid: UUID, target: str) -> int:
    """What the guest sees of a disk now, bytes: its volume may have been grown since it was last looked at."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        return int(domain.blockInfo(target, 0)[0])


def begin_copy(c: Connection, uuid: UUID, copies: Mapping[str, ClonedDisk]) -> None:
    """Have the host fill volumes that are there already, as large as the disks; by target. Returns at once."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        xml = domain.XMLDesc(0)
    try:
        targets = [attribute(disk, "target", "dev") for disk in parse_document(xml).iterfind("devices/disk")]
    except UnreadableDefinition as error:
        raise OperationRefused(
            _("The definition of %(guest)s cannot be read.") % {"guest": domain.name()}, detail=str(error)
        ) from error
    root = etree.Element("domainbackup", mode="push")
    disks = etree.SubElement(root, "disks")
    for target in targets:
        copy = copies.get(target)
        disk = etree.SubElement(disks, "disk", name=target, backup="no" if copy is None else "yes")
        if copy is not None:
            disk.set("type", copy.kind)
            etree.SubElement(disk, "target", {{"file": "file", "block": "dev"}[copy.kind]: copy.path})
            etree.SubElement(disk, "driver", type=copy.format)
    with translated_errors(domain.name()):
        domain.backupBegin(
            etree.tostring(root, encoding="unicode"), None, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL
        )


def copy_under_way(c: Connection, uuid: UUID) -> tuple[int, int] | None:
    """Bytes done, and of how many; None once it is over."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        stats = domain.jobStats(0)
    if stats.get("operation") != libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP:
        return None
    return int(stats.get("disk_processed", 0)), int(stats.get("disk_total", 0))


def end_copy_into(c: Connection, uuid: UUID, paths: Collection[str]) -> bool:
    """Have the host end a copy that fills one of these; whether none is under way. Any other copy goes on."""
    if copy_under_way(c, uuid) is None:
        return True
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        root = parse_document(domain.backupGetXMLDesc(0))
        filled = {target.get("file") or target.get("dev") for target in root.iterfind("disks/disk/target")}
        if not filled & set(paths):
            return True
        domain.abortJob()
    return False


def refuse_failed_copy(c: Connection, uuid: UUID) -> None:
    """Raise OperationRefused where the copy that is over did not come to its end."""
    domain = find_domain(c, uuid)
    try:
        with translated_errors(domain.name()):
            stats = domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    except NotSupported:
        stats = {}
    is_ours = stats.get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP
    if not is_ours or stats.get("type") != libvirt.VIR_DOMAIN_JOB_COMPLETED:
        raise OperationRefused(
            _("The disks of %(guest)s could not be copied to their end.") % {"guest": domain.name()},
            detail=str(stats.get("errmsg", "")),
        )
