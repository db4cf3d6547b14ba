"""The kinds of operations: one module per family registers its own with `register`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from django.utils.translation import gettext as _

from guests.access import Action, Limits, limits_on
from guests.errors import HypervisorError
from guests.hypervisor.pools import get_pool
from guests.hypervisor.reading import get_guest
from guests.inventory.changes import Feed, current_revision
from guests.inventory.storage import keep_pool
from guests.units import memory_text

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.auth.models import AbstractBaseUser
    from django.utils.functional import _StrPromise

    from guests import resources
    from guests.hypervisor.connection import Connection
    from guests.inventory.host_inventory import HostInventory
    from guests.inventory.models import Guest
    from guests.resources import GuestEvent


class Progress(Protocol):
    """How a running kind tells what it reached, and hears that it was cancelled or replaced."""

    def sending(self) -> None:
        """From here on the guest may change: an error of the connection leaves the outcome unknown."""

    def waiting(self, done: int | None = None, total: int | None = None) -> None:
        """The guest is expected to move: state `waiting`, with how far it came."""

    def moved(self, done: int, total: int) -> None:
        """It moved."""

    def under_way(self, done: int | None = None, total: int | None = None, rate: int | None = None) -> None:
        """The host works at it, so far, at so much a second; no other operation may pass meanwhile."""

    def will_make_volume(self, pool: UUID, name: str) -> None:
        """Written down before it is made, so that it is taken away where nobody sees the end. Raises LeaseLost."""

    def made_no_volume(self, pool: UUID, name: str) -> None:
        """The host refused to make it: what bears its name is not ours."""

    def will_make_guest(self, uuid: UUID) -> None:
        """The same for a guest: once the host knows it, nothing of it is taken away. Raises LeaseLost."""

    def made(self, guest: Guest) -> None:
        """The guest came of it: from now on it stands in its history, too."""

    def is_cancelled(self) -> bool:
        """Whether the asker wants it ended."""

    def is_replaced(self) -> bool:
        """Whether a later operation took its place."""


@dataclass
class Task:
    """What a kind gets to run: the guest as libvirt tells it now, and what was wanted."""

    connect: Callable[[], Connection]  # the connection to use now; another one after a wait
    uuid: UUID
    guest: resources.Guest
    row: Guest  # with its host: figures that only a sample tells, at most one tick old
    parameters: dict[str, Any]
    before: dict[str, Any]
    progress: Progress
    next_event: Callable[[float], GuestEvent | None]  # this guest's next event, or None after so many seconds
    inventory: HostInventory  # of the host's guests; its `lease` is what rows are written with

    @property
    def connection(self) -> Connection:
        """Ask for it anew after each wait: while a thread waits for its guest, others use its connection."""
        return self.connect()

    def read_guest(self, uuid: UUID) -> Guest | None:
        """Bring the row of another guest of the host up to date: one that was made or changed beside this one."""
        read_at = time.monotonic()
        with suppress(HypervisorError):
            self.inventory.refresh(get_guest(self.connection, uuid), read_at)
        return self.row.host.guests.filter(uuid=uuid).first()

    def read_pools(self, pools: Iterable[UUID]) -> None:
        """Bring the rows of these pools up to date, where the host answers: their volumes were made or deleted."""
        for pool in pools:
            since = current_revision(Feed.INVENTORY)
            with suppress(HypervisorError):
                keep_pool(self.inventory.lease, get_pool(self.connection, pool), since)


@dataclass(frozen=True)
class OperationKind:
    """One kind. `run` raises a HypervisorError to fail; its answer is stored as `after`."""

    name: str
    label: _StrPromise
    action: Action
    run: Callable[[Task], dict[str, Any]]
    # Whether the guest is as the parameters want it, None where reading cannot tell: resolves an unknown outcome.
    reached: Callable[[resources.Guest, dict[str, Any]], bool | None]
    # Why this person may not ask this of this guest though their role has the action, or "": see `access`.
    refusal: Callable[[AbstractBaseUser, Guest, dict[str, Any]], str] = lambda _by, _guest, _parameters: ""
    cancellable: bool = False
    replaces: frozenset[str] = frozenset()  # kinds that stop waiting for the guest once this one is asked of it
    standing: bool = False  # nobody asks it: it follows from what somebody set before


def beyond_memory(by: AbstractBaseUser, guest: Guest, parameters: dict[str, Any]) -> str:
    """`OperationKind.refusal` of kinds that set an amount of memory, `kib`."""
    return over_memory(limits_on(by, guest), parameters.get("kib"))


def beyond_vcpus(by: AbstractBaseUser, guest: Guest, parameters: dict[str, Any]) -> str:
    """`OperationKind.refusal` of kinds that set a `count` of vCPUs."""
    return over_vcpus(limits_on(by, guest), parameters.get("count"))


def over_memory(limits: Limits, kib: object) -> str:
    """Why this much memory is too much for the asker's role, or ""."""
    if limits.memory_kib is None or not isinstance(kib, int) or kib <= limits.memory_kib:
        return ""
    return _("Your role lets you give this guest at most %(most)s.") % {"most": memory_text(limits.memory_kib)}


def over_vcpus(limits: Limits, count: object) -> str:
    """Why so many vCPUs are too many for the asker's role, or ""."""
    if limits.vcpus is None or not isinstance(count, int) or count <= limits.vcpus:
        return ""
    return _("Your role lets you give this guest at most %(most)d vCPUs.") % {"most": limits.vcpus}


KINDS: dict[str, OperationKind] = {}


def register(kind: OperationKind) -> OperationKind:
    """Make a kind known; names are unique."""
    if kind.name in KINDS:
        raise ValueError(f"operation kind {kind.name} is registered twice")
    KINDS[kind.name] = kind
    return kind
