"""The kinds of operations: one module per family registers its own with `register`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from guests.access import Action

if TYPE_CHECKING:
    from uuid import UUID

    from django.utils.functional import _StrPromise

    from guests import resources
    from guests.hypervisor.connection import Connection
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

    @property
    def connection(self) -> Connection:
        """Ask for it anew after each wait: while a thread waits for its guest, others use its connection."""
        return self.connect()


@dataclass(frozen=True)
class OperationKind:
    """One kind. `run` raises a HypervisorError to fail; its answer is stored as `after`."""

    name: str
    label: _StrPromise
    action: Action
    run: Callable[[Task], dict[str, Any]]
    # Whether the guest is as the parameters want it, None where reading cannot tell: resolves an unknown outcome.
    reached: Callable[[resources.Guest, dict[str, Any]], bool | None]
    cancellable: bool = False
    replaces: frozenset[str] = frozenset()  # kinds that stop waiting for the guest once this one is asked of it


KINDS: dict[str, OperationKind] = {}


def register(kind: OperationKind) -> OperationKind:
    """Make a kind known; names are unique."""
    if kind.name in KINDS:
        raise ValueError(f"operation kind {kind.name} is registered twice")
    KINDS[kind.name] = kind
    return kind
