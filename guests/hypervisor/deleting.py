"""Making a host forget a guest, and deleting a volume: there is no way back from either."""

from __future__ import annotations

from uuid import UUID

import libvirt
from django.utils.translation import gettext as _

from guests.errors import OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.pools import find_pool
from guests.hypervisor.reading import find_domain
from guests.hypervisor.xml_document import UnreadableDefinition, parse_document


def undefine(c: Connection, uuid: UUID) -> None:
    """Forget a guest that is off, with the memory that was saved of it, what is noted of its snapshots, and the
    variables of its firmware. Its disks stay, and what its snapshots keep in them.
    """
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        if domain.ID() >= 0:
            raise OperationRefused(_("%s runs: shut it off first.") % domain.name())
        # Each only where it is needed: drivers refuse the flags that they do not know.
        flags = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE if domain.hasManagedSaveImage(0) else 0
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_NVRAM if _has_variables(domain.XMLDesc(0)) else 0
        if c.driver != "xen":
            flags |= libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA if domain.snapshotNum(0) else 0
        domain.undefineFlags(flags)


def _has_variables(xml: str) -> bool:
    try:
        os = parse_document(xml).find("os")
    except UnreadableDefinition:
        return False
    return os is not None and (os.find("nvram") is not None or os.get("firmware") == "efi")


def delete_volume(c: Connection, pool: UUID, name: str, path: str) -> None:
    """Delete a volume for good; refused where it is no longer at that path."""
    found = find_pool(c, pool)
    with translated_errors(name):
        volume = found.storageVolLookupByName(name)
        if volume.path() != path:
            raise OperationRefused(_("The volume %(volume)s is not what it was.") % {"volume": name}, detail=path)
        volume.delete(0)
