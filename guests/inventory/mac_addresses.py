"""MAC addresses as text and as numbers, and which of them a guest may have: no database."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from guests.errors import OperationRefused

_PLAIN = re.compile(r"[0-9a-f]{12}")
_GROUP = 1 << 40  # the lowest bit of the first byte: for many receivers
# First and last of what standards and devices keep for themselves, with whose it is.
_RESERVED = (
    (0x00005E000100, 0x00005E0002FF, "VRRP (RFC 9568)"),
    (0x00000C07AC00, 0x00000C07ACFF, "HSRP"),
    (0x00000C9FF000, 0x00000C9FFFFF, "HSRP"),
    (0xFE0000000000, 0xFEFFFFFFFFFF, "libvirt"),  # the host's end of a guest's NIC
)


def mac_text(number: int) -> str:
    """52:54:00:12:34:56."""
    return number.to_bytes(6, "big").hex(":")


def mac_number(mac: str) -> int:
    """The other way, of a text that `normal_mac` made."""
    return int(mac.replace(":", ""), 16)


def normal_mac(text: str) -> str:
    """A typed MAC in the one form we keep; refused at `mac` where it is none, or none that a guest may have.

    Colons, hyphens, Cisco's dots and no separators at all are understood.
    """
    plain = re.sub(r"[-:.\s]", "", text.strip().lower())
    if not _PLAIN.fullmatch(plain):
        raise OperationRefused(_("A MAC has six bytes, such as 52:54:00:12:34:56."), field="mac")
    number = int(plain, 16)
    if number & _GROUP:
        raise OperationRefused(_("This is an address of a group: the first byte of a NIC's MAC is even."), field="mac")
    if number == 0:
        raise OperationRefused(_("00:00:00:00:00:00 is no NIC's MAC."), field="mac")
    for first, last, whose in _RESERVED:
        if first <= number <= last:
            raise OperationRefused(_("This range is reserved for %(whose)s.") % {"whose": whose}, field="mac")
    return mac_text(number)
