"""The kinds of operations on a host itself, without a guest: one module per family registers its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from guests.access import Action, hosts_held, may, may_on
from guests.hypervisor.connection import open_connection
from guests.operations.facts import Facts
from guests.operations.kinds import KINDS, OperationKind, Progress

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
    from django.db.models import QuerySet
    from django.utils.functional import _StrPromise

    from guests.hypervisor.connection import Connection
    from guests.inventory.host_inventory import HostInventory
    from guests.inventory.models import Host
    from guests.operations.models import Operation


@dataclass
class HostTask:
    """What a kind gets to run."""

    connect: Callable[[], Connection]  # one of the few connections of this host's operations, borrowed at first use
    host: Host
    parameters: dict[str, Any]
    before: dict[str, Any]
    progress: Progress
    inventory: HostInventory  # of the host's guests; its `lease` is what rows are written with

    @property
    def connection(self) -> Connection:
        """For calls that answer soon."""
        return self.connect()

    @contextmanager
    def own_connection(self) -> Iterator[Connection]:
        """For a call that lasts: operations on guests need not wait for it. The test driver's is shared."""
        if self.host.uri.startswith("test:"):
            yield self.connect()  # its state is in the connection, and nothing takes long
            return
        connection = open_connection(self.host.uri)
        try:
            yield connection
        finally:
            connection.close()


@dataclass(frozen=True)
class HostOperationKind:
    """One kind. `run` raises a HypervisorError to fail; its answer is stored as `after`."""

    name: str
    label: _StrPromise
    action: Action  # needed on the host as a whole
    run: Callable[[HostTask], dict[str, Any]]
    # Whether the host is as the parameters want it, None where reading cannot tell: resolves an unknown outcome.
    reached: Callable[[HostTask], bool | None] = lambda _task: None
    # Brings the rows up to date that this may have changed, however it ended: page and effect are shown together.
    read_again: Callable[[HostTask], None] = lambda _task: None
    # What it is about, as the rows say, before and after: for the record, by the names that `run` answers with.
    facts: Callable[[HostTask], Facts] = lambda _task: {}
    # Why this person may not ask this of this host though their role has the action, or "".
    refusal: Callable[[AbstractBaseUser, Host, dict[str, Any]], str] = lambda _by, _host, _parameters: ""
    cancellable: bool = False
    # What it is asked of, as lists show it: "images/web-1.qcow2".
    words: Callable[[dict[str, Any]], str] = lambda parameters: str(parameters.get("name", ""))
    # What it is about: of operations about the same, one runs at a time. "" waits for none.
    about: Callable[[dict[str, Any]], str] = lambda _parameters: ""
    standing: bool = False  # nobody asks it: it follows from a setting


HOST_KINDS: dict[str, HostOperationKind] = {}


def register_host(kind: HostOperationKind) -> HostOperationKind:
    """Make a kind known; names are unique, also among those of guests."""
    if kind.name in HOST_KINDS or kind.name in KINDS:
        raise ValueError(f"two kinds of operations are called {kind.name}")
    HOST_KINDS[kind.name] = kind
    return kind


def all_kinds() -> dict[str, OperationKind | HostOperationKind]:
    """Every kind by name: of guests, then of hosts."""
    return {**KINDS, **HOST_KINDS}


def kind_of(operation: Operation) -> OperationKind | HostOperationKind | None:
    """The kind of one that was asked; None for one of a newer version."""
    return KINDS.get(operation.kind) or HOST_KINDS.get(operation.kind)


def may_do(user: AbstractBaseUser, operation: Operation) -> bool:
    """Whether a person may do what the operation does."""
    kind = kind_of(operation)
    if kind is None:
        return False
    if isinstance(kind, HostOperationKind):
        return may_on(user, kind.action, operation.host)
    return may(user, kind.action, operation.guest)


def hosts_whose_operations_show(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Host]:
    """Whoever sees a host as a whole sees what was asked of it. Somebody with one guest on it does not: names of
    other people's guests and volumes stand in it.
    """
    return hosts_held(user, Action.SEE)
