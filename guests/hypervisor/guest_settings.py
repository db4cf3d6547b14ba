"""What a guest is called and said to be, whether it starts with its host, and from what it boots."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import libvirt
from django.utils.translation import gettext as _
from lxml import etree

from guests.errors import OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.reading import find_domain
from guests.hypervisor.redefining import define_again, next_boot_tree
from guests.hypervisor.xml_document import attribute


def set_autostart(c: Connection, uuid: UUID, *, on: bool) -> None:
    """Whether libvirt starts the guest when it starts itself, with its host."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        domain.setAutostart(int(on))


def rename(c: Connection, uuid: UUID, name: str) -> None:
    """Another name (virDomainRename); drivers can do that to a guest that is shut off only."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        if domain.ID() >= 0:
            raise OperationRefused(_("%s runs: it can be renamed while it is shut off.") % domain.name(), field="name")
        domain.rename(name, 0)


def describe(c: Connection, uuid: UUID, *, title: str, description: str) -> None:
    """A title of one line and a description; "" takes one away. Of what runs and of the next boot."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        active, persistent = domain.ID() >= 0, bool(domain.isPersistent())
    targets = [libvirt.VIR_DOMAIN_AFFECT_LIVE] if active else []
    targets += [libvirt.VIR_DOMAIN_AFFECT_CONFIG] if persistent else []
    # One call per target: libvirt's test driver refuses LIVE and CONFIG together.
    for target in targets:
        for kind, text in (
            (libvirt.VIR_DOMAIN_METADATA_TITLE, title),
            (libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, description),
        ):
            with translated_errors(domain.name()):
                domain.setMetadata(kind, text or None, None, None, target)


def set_boot_order(c: Connection, uuid: UUID, devices: Sequence[str]) -> None:
    """From what the next boot is tried, first things first, named as in `Definition.boot_order`."""
    domain, root = next_boot_tree(c, uuid)
    for boot in [*root.iterfind("os/boot"), *root.iterfind("devices/*/boot")]:
        parent = boot.getparent()
        assert parent is not None
        parent.remove(boot)
    for number, name in enumerate(devices, start=1):
        element = _device(root, name)
        if element is None:
            text = _("%(guest)s has no device %(device)s (any more).")
            raise OperationRefused(text % {"guest": domain.name(), "device": name.partition(":")[2]})
        etree.SubElement(element, "boot", order=str(number))
    define_again(c, domain, root)


def _device(root: etree._Element, name: str) -> etree._Element | None:
    kind, _colon, key = name.partition(":")
    if kind == "disk":
        found = [disk for disk in root.iterfind("devices/disk") if attribute(disk, "target", "dev") == key]
    else:
        nics = root.iterfind("devices/interface")
        found = [nic for nic in nics if attribute(nic, "mac", "address").lower() == key.lower()]
    return found[0] if found else None
