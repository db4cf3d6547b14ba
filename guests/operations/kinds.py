"""The kinds of operations: one module per family registers its own with `@kind`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from guests.access import Action

if TYPE_CHECKING:
    from uuid import UUID

    from django.utils.functional import _StrPromise

    from guests import resources
    from guests.hypervisor.connection import Connection


class Progress(Protocol):
    """How a running kind tells what it reached, and hears that it was cancelled."""

    def waiting(self, done: int | None = None, total: int | None = None) -> None:
        """The guest is expected to move: state `waiting`, with how far it came."""

    def moved(self, done: int, total: int) -> None:
        """It moved."""

    def is_cancelled(self) -> bool:
        """Whether the asker wants it ended."""


@dataclass
class Task:
    """What a kind gets to run: the guest as libvirt tells it now, and what was wanted."""

    connection: Connection
    uuid: UUID
    guest: resources.Guest
    parameters: dict[str, Any]
    before: dict[str, Any]
    progress: Progress
    balloon: Callable[
        [float], int | None
    ]  # wait up to so many seconds for this guest's next balloon event: KiB or None


@dataclass(frozen=True)
class OperationKind:
    """One kind. `run` raises a HypervisorError to fail; its answer is stored as `after`."""

    name: str
    label: _StrPromise
    action: Action
    run: Callable[[Task], dict[str, Any]]
    cancellable: bool = False
    seconds: float = 60.0  # after which the worker gives up
    conflicts: frozenset[str] = field(default_factory=frozenset)


KINDS: dict[str, OperationKind] = {}


def register(kind: OperationKind) -> OperationKind:
    """Make a kind known; names are unique."""
    if kind.name in KINDS:
        raise ValueError(f"operation kind {kind.name} is registered twice")
    KINDS[kind.name] = kind
    return kind
