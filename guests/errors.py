"""What can go wrong when a hypervisor is asked something; no Django, no libvirt.

HypervisorError
├── HypervisorUnreachable   no connection, or it broke: the outcome of a change is unknown
│   └── AuthenticationFailed
├── GuestNotFound           the host has no such guest (any more)
├── StorageNotFound         the host has no such pool or volume (any more)
├── NotSupported            this driver cannot do it
├── DeviceBusy              a text console that somebody else holds
└── OperationRefused        libvirt or a rule of ours said no; nothing was changed

`str(error)` is a sentence for the person who asked; `error.detail` is libvirt's own message, for administrators only.
"""

from __future__ import annotations


class HypervisorError(Exception):
    """A sentence that a person can act on, and libvirt's own words in `detail`."""

    def __init__(self, message: str, *, detail: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.detail = detail
        self.code = code


class HypervisorUnreachable(HypervisorError):
    """No connection, or it was lost; what was sent may or may not have happened."""


class AuthenticationFailed(HypervisorUnreachable):
    """The host answered, and did not let us in."""


class GuestNotFound(HypervisorError):
    """The host does not know this guest (any more)."""


class StorageNotFound(HypervisorError):
    """The host does not know this pool or volume (any more)."""


class NotSupported(HypervisorError):
    """The driver of this host cannot do this."""


class DeviceBusy(HypervisorError):
    """A text console device is held by another client."""


class OperationRefused(HypervisorError):
    """Refused by libvirt or by a rule; nothing was changed. `field` names the form field it belongs to, if any."""

    def __init__(self, message: str, *, field: str = "", detail: str = "", code: int = 0) -> None:
        super().__init__(message, detail=detail, code=code)
        self.field = field
