"""A picture of a guest's screen as its host takes it: PNG or PPM, as the host's libvirt and QEMU like it.

Everything here may hang with the guest: QEMU is asked itself. Call it in a thread that can be left behind, over a
connection that nobody else uses.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

import libvirt
from django.utils.translation import gettext as _

from guests.errors import HypervisorError, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.domain_xml import UnreadableDefinition
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.reading import find_domain
from guests.hypervisor.xml_document import parse_document

SCREEN_BYTES = 128 * 1024 * 1024  # an 8K screen as PPM is 100 MB
PIECE_BYTES = 256 * 1024
HANGS_MS = 1000
FIRST_SCREEN = 0


class NoScreen(NotSupported):
    """The guest has no video device."""


class GuestHangs(OperationRefused):
    """The guest has not answered its host for a second or more."""


def take_screenshot(c: Connection, uuid: UUID) -> bytes:
    """The guest's first screen as an image file. NotSupported where the driver has no such call."""
    domain = find_domain(c, uuid)
    name = domain.name()
    if domain.ID() < 0:
        raise OperationRefused(_("%(guest)s does not run: it has no screen now.") % {"guest": name})
    _see_that_it_answers(domain, name)
    with translated_errors(name):
        stream = c.raw.newStream(0)
    try:
        with translated_errors(name):
            domain.screenshot(stream, FIRST_SCREEN, 0)
    except OperationRefused as error:
        if _has_no_video(domain):
            text = _("%(guest)s has no screen: its definition has no video device.")
            raise NoScreen(text % {"guest": name}, detail=error.detail, code=error.code) from error
        raise
    return _all_of(stream, name)


def _see_that_it_answers(domain: Any, name: str) -> None:
    """Asked of libvirt alone, which knows how long a call to this guest is under way (virDomainGetControlInfo)."""
    try:
        with translated_errors(name):
            state, _details, milliseconds = domain.controlInfo()
    except NotSupported:
        return
    if state != libvirt.VIR_DOMAIN_CONTROL_OK and milliseconds > HANGS_MS:
        raise GuestHangs(_("%(guest)s does not answer its host.") % {"guest": name})


def _all_of(stream: Any, name: str) -> bytes:
    pieces: list[bytes] = []
    size = 0
    try:
        with translated_errors(name):
            while piece := stream.recv(PIECE_BYTES):
                pieces.append(piece)
                size += len(piece)
                if size > SCREEN_BYTES:
                    raise OperationRefused(_("The screen of %(guest)s is too large for a picture.") % {"guest": name})
            stream.finish()
    except HypervisorError:
        with suppress(HypervisorError), translated_errors(name):
            stream.abort()
        raise
    return b"".join(pieces)


def _has_no_video(domain: Any) -> bool:
    """Whether the live definition names no video device, or one of model "none"."""
    try:
        with translated_errors(domain.name()):
            document = parse_document(domain.XMLDesc(0))
    except (HypervisorError, UnreadableDefinition):
        return False
    models = [video.get("type") for video in document.findall("devices/video/model")]
    return all(model == "none" for model in models)
