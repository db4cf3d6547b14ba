"""The snapshots of a guest as values (libvirt's formatsnapshot). One call finds that there are none."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from lxml import etree

from guests.errors import OperationRefused
from guests.hypervisor.device_xml import parse_disk, parse_nic
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.xml_document import UnreadableDefinition, attribute, parse_document, text_of
from guests.resources import GuestState, Snapshot

OF_THE_HOST = ("hostdev", "filesystem", "shmem", "redirdev", "smartcard")
_STATES = {"running": GuestState.RUNNING, "paused": GuestState.PAUSED}


def snapshots_of(domain: Any) -> tuple[Snapshot, ...]:
    """Oldest first, and libvirt's errors as they are. Three calls and one for each; one where there is none."""
    if not domain.snapshotNum(0):
        return ()
    current = ""
    # It may go away between the two calls.
    with suppress(OperationRefused), translated_errors():
        current = domain.snapshotCurrent(0).getName() if domain.hasCurrentSnapshot(0) else ""
    found = []
    for snapshot in domain.listAllSnapshots(0):
        with suppress(OperationRefused, UnreadableDefinition), translated_errors():
            found.append(parse_snapshot(snapshot.getXMLDesc(0), current))
    return tuple(sorted(found, key=lambda snapshot: (snapshot.made_at, snapshot.name)))


def parse_snapshot(xml: str, current: str) -> Snapshot:
    """The values of a snapshot's XML; `current` is the name of the guest's current one."""
    root = snapshot_tree(xml)
    name, state = root.findtext("name") or "", text_of(root, "state")
    made_at = text_of(root, "creationTime")
    disks = [disk.get("snapshot") for disk in root.iterfind("disks/disk")]
    memory = attribute(root, "memory", "snapshot", "no")
    return Snapshot(
        name=name,
        description=text_of(root, "description"),
        parent=root.findtext("parent/name") or "",
        made_at=int(made_at) if made_at.isascii() and made_at.isdigit() else 0,
        state=_STATES.get(state, GuestState.SHUT_OFF),
        memory=memory != "no",
        external="external" in {memory, *disks},
        current=name == current,
        reaches=tuple(sorted(_reaches(root))),
    )


def _reaches(root: etree._Element) -> set[str]:
    """Of its definition of then, and of the one that its next boot would have taken."""
    found: set[str] = set()
    for devices in root.xpath("domain/devices | inactiveDomain/devices"):
        found |= {f"disk:{disk.source}" for disk in map(parse_disk, devices.iterfind("disk")) if disk.source}
        found |= {f"{nic.kind}:{nic.source}" for nic in map(parse_nic, devices.iterfind("interface"))}
        found |= {f"{tag}:" for tag in OF_THE_HOST if devices.find(tag) is not None}
    return found


def snapshot_tree(xml: str) -> etree._Element:
    """The root of a snapshot's XML, or UnreadableDefinition."""
    root = parse_document(xml)
    if root.tag != "domainsnapshot":
        raise UnreadableDefinition(f"the root is <{str(root.tag)[:40]}>, not <domainsnapshot>")
    return root
