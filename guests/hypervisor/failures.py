"""libvirtError → the named errors of `guests.errors`: a sentence for people, libvirt's own words in `.detail` only.

`translated_errors` is the one place that catches libvirtError. Numbers are libvirt's (virterror.h); a connection is
broken as nova and vdsm tell it: by an error of the transport, whatever the call was.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import libvirt
from django.utils.translation import gettext as _

from guests.errors import (
    AuthenticationFailed,
    DeviceBusy,
    GuestNotFound,
    HypervisorError,
    HypervisorUnreachable,
    NotSupported,
    OperationRefused,
    StorageNotFound,
)

_TRANSPORTS = {libvirt.VIR_FROM_REMOTE, libvirt.VIR_FROM_RPC}
_BROKEN = {
    libvirt.VIR_ERR_INTERNAL_ERROR,  # 1: keepalive timeout, "client socket is closed"
    libvirt.VIR_ERR_NO_CONNECT,  # 5
    libvirt.VIR_ERR_INVALID_CONN,  # 6
    libvirt.VIR_ERR_RPC,  # 39 is aborted; RPC errors of the transport itself
    libvirt.VIR_ERR_SYSTEM_ERROR,  # 38: cannot connect, cannot write
}
_AUTHENTICATION = {libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_ERR_AUTH_CANCELLED, libvirt.VIR_ERR_AUTH_UNAVAILABLE}
# The transport's own refusals come as broken connections: ssh's words, and the system's for a unix socket.
_TURNED_AWAY = ("Permission denied", "Host key verification failed")
# libvirt reads 1024 bytes of what ssh says and reports this instead of more; its warning of a changed key is that long.
_SAID_TOO_MUCH = os.strerror(errno.EOVERFLOW)
# Refusals that libvirt passes on in the words of who refused: its storage driver, QEMU, and tc for rates of NICs.
_NOT_FOR_QEMU = re.compile(
    r"(Cannot access (storage|backing) file|[Cc]ould not open (kernel file )?)\s?'.*Permission denied", re.DOTALL
)
_NO_QUEUES = re.compile(r"Child process \((\S*/)?tc ")
_NO_ACPI = re.compile(r"memory hotplug is not enabled: missing acpi")
_DENIED = {libvirt.VIR_ERR_OPERATION_DENIED, libvirt.VIR_ERR_ACCESS_DENIED}
_UNSUPPORTED = {
    libvirt.VIR_ERR_NO_SUPPORT,
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
}


def is_broken(error: libvirt.libvirtError) -> bool:
    """Whether the connection itself failed, so that the outcome of the call is unknown."""
    code, domain = error.get_error_code(), error.get_error_domain()
    if code in {libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_CONN}:
        return True
    return domain in _TRANSPORTS and code in _BROKEN


def translate(error: libvirt.libvirtError, name: str = "") -> HypervisorError:
    """The named error for one of libvirt's; `name` is the guest's, as the person knows it."""
    code = error.get_error_code() or 0
    detail = error.get_error_message() or str(error)
    guest = name or _("the guest")
    if code in _AUTHENTICATION or (is_broken(error) and any(words in detail for words in _TURNED_AWAY)):
        return AuthenticationFailed(
            _("The host did not let Guesthouse in: check the key or password that its address uses, and its host key."),
            detail=detail,
            code=code,
        )
    if is_broken(error) and _SAID_TOO_MUCH in detail:
        text = _(
            "ssh did not get in and said more than libvirt passes on, as when a host's key has changed: sign in there "
            "once by hand, as the user of Guesthouse, and see what it says."
        )
        return AuthenticationFailed(text, detail=detail, code=code)
    if is_broken(error):
        return HypervisorUnreachable(
            _("The connection to the host broke, or its libvirt does not answer."), detail=detail, code=code
        )
    if code == libvirt.VIR_ERR_NO_DOMAIN:
        return GuestNotFound(_("%(guest)s is no longer on this host.") % {"guest": guest}, detail=detail, code=code)
    if code in {libvirt.VIR_ERR_NO_STORAGE_POOL, libvirt.VIR_ERR_NO_STORAGE_VOL}:
        return StorageNotFound(
            _("%(name)s is no longer in the storage of this host.") % {"name": name or _("the volume")},
            detail=detail,
            code=code,
        )
    if code in _UNSUPPORTED:
        return NotSupported(
            _("The driver of this host cannot do this for %(guest)s.") % {"guest": guest}, detail=detail, code=code
        )
    return OperationRefused(_told_by_words(detail, guest) or _sentence(code, guest), detail=detail, code=code)


def _told_by_words(detail: str, guest: str) -> str:
    """What libvirt has no number for, but a person can mend; empty where its words tell nothing more."""
    if _NOT_FOR_QEMU.search(detail):
        return _(
            "The user that runs QEMU on the host may not open a disk, a medium or a kernel of %(guest)s: let that user "
            "enter every directory above the file, and read it (a disk: write it, too)."
        ) % {"guest": guest}
    if _NO_ACPI.search(detail):
        return _(
            "%(guest)s has no ACPI, by which a guest hears of memory that is plugged in: an administrator can add it "
            "to the definition (features, acpi); it holds from the next boot."
        ) % {"guest": guest}
    if _NO_QUEUES.search(detail):
        return _(
            "The host cannot limit the rates of a NIC of %(guest)s: its kernel lacks the queueing that libvirt uses "
            "(sch_htb, sch_sfq, act_police), or its “tc” does."
        ) % {"guest": guest}
    return ""


def _sentence(code: int, guest: str) -> str:
    """What a refusal means to the person who asked."""
    texts = {
        libvirt.VIR_ERR_INVALID_ARG: _("The host refused a value for %(guest)s as not possible."),
        libvirt.VIR_ERR_OPERATION_FAILED: _("The host tried and failed to do this for %(guest)s."),
        libvirt.VIR_ERR_OPERATION_INVALID: _(
            "%(guest)s is not in a state that allows this: it may just have been started or stopped."
        ),
        libvirt.VIR_ERR_OPERATION_TIMEOUT: _(
            "%(guest)s did not answer the host in time: another operation may hold it, or it hangs."
        ),
        libvirt.VIR_ERR_OPERATION_ABORTED: _("What was asked of %(guest)s was cancelled on the host."),
        libvirt.VIR_ERR_AGENT_UNRESPONSIVE: _("The guest agent inside %(guest)s does not answer."),
        libvirt.VIR_ERR_NO_MEMORY: _("The host has not enough memory for %(guest)s."),
        libvirt.VIR_ERR_SYSTEM_ERROR: _(
            "The host's system refused this for %(guest)s: a file or device may be missing."
        ),
        libvirt.VIR_ERR_INTERNAL_ERROR: _("The host failed at this for %(guest)s; its administrator can see why."),
        libvirt.VIR_ERR_MIGRATE_UNSAFE: _(
            "A disk of %(guest)s is not on storage that both hosts share, or its host caches it: copy the storage too, "
            "or set the disk's cache to “none”."
        ),
        libvirt.VIR_ERR_XML_INVALID_SCHEMA: _("The definition does not follow libvirt's schema."),
        libvirt.VIR_ERR_XML_ERROR: _("The definition says something that libvirt does not understand."),
        libvirt.VIR_ERR_DOM_EXIST: _("The host already has a guest of this name or UUID."),
        libvirt.VIR_ERR_STORAGE_VOL_EXIST: _("The pool already has a volume of this name."),
    }
    if code in _DENIED:
        return _("The host does not allow Guesthouse to do this: its connection may be read-only.")
    text = texts.get(code) or _("The host refused this for %(guest)s.")
    return text % {"guest": guest}


@contextmanager
def translated_errors(name: str = "") -> Iterator[None]:
    """Raise named errors instead of libvirtError; `name` is the guest's for the sentence."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise translate(error, name) from error


def busy(name: str, detail: str) -> DeviceBusy:
    """A text console that another client holds (code 9 of openConsole)."""
    text = _("Somebody else has the text console of %(guest)s open on the host.")
    return DeviceBusy(text % {"guest": name}, detail=detail, code=libvirt.VIR_ERR_OPERATION_FAILED)
