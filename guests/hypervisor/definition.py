"""A guest's whole definition, given to libvirt as somebody wrote it: its next boot takes it."""

from __future__ import annotations

from itertools import zip_longest
from uuid import UUID

import libvirt
from django.utils.translation import gettext as _
from lxml import etree

from guests.errors import OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.definition_text import digest_of, digest_of_tree
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.redefining import next_boot_tree
from guests.hypervisor.xml_document import parse_document


def define(c: Connection, uuid: UUID, xml: str, *, base: str) -> None:
    """Define a guest again by this text, checked against libvirt's schema; what runs is not touched.

    `base` is the digest of the next boot that the text was written from: nothing is done where it is another by now.
    Passwords of screens, which no text shows, stay as they are.
    """
    domain, root = next_boot_tree(c, uuid)
    passwords = [graphics.attrib.pop("passwd", "") for graphics in root.iterfind("devices/graphics")]
    with translated_errors(domain.name()):
        shown = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    if digest_of(shown) != base:
        raise OperationRefused(_("The definition was changed since it was opened."), field="xml")
    screens = list(root.iterfind("devices/graphics"))
    if digest_of_tree(root) != base:
        raise OperationRefused(
            _("The definition of %(guest)s holds secrets that no text shows: they would be lost. Change it with virsh.")
            % {"guest": domain.name()}
        )
    wanted = parse_document(xml)
    _keep_passwords(wanted, [(screen.get("type"), word) for screen, word in zip_longest(screens, passwords)])
    try:
        with translated_errors(domain.name()):
            c.raw.defineXMLFlags(etree.tostring(wanted, encoding="unicode"), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    except OperationRefused as error:
        raise OperationRefused(str(error), field="xml", detail=error.detail, code=error.code) from error


def _keep_passwords(root: etree._Element, known: list[tuple[str | None, str]]) -> None:
    """Of several screens of a kind the first keeps the first one's."""
    for screen in root.iterfind("devices/graphics"):
        mine = next((entry for entry in known if entry[0] == screen.get("type")), None)
        if mine is not None:
            known.remove(mine)
            if mine[1]:
                screen.set("passwd", mine[1])
