"""A recording proxy around the real libvirt connection: what was called, in order. Nothing is answered by it itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from guests.hypervisor.connection import Connection
from guests.hypervisor.one_caller import OneCaller

LOCAL = {"UUIDString", "name", "ID", "isAlive"}  # answered by the client library: they cost nothing


class _Recorded:
    """A virConnect or virDomain whose calls are written down; domains that it answers are wrapped, too."""

    def __init__(self, real: Any, calls: list[str]) -> None:
        self._real = real
        self._calls = calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._real, name)

        def call(*arguments: Any) -> Any:
            if name not in LOCAL:
                self._calls.append(name)
            return self._wrapped(method(*[_bare(argument) for argument in arguments]))

        return call

    def _wrapped(self, answer: Any) -> Any:
        if isinstance(answer, OneCaller):
            return _Recorded(answer, self._calls)
        if isinstance(answer, (list, tuple)):
            return type(answer)(self._wrapped(part) for part in answer)
        return answer


def _bare(argument: Any) -> Any:
    if isinstance(argument, list):
        return [_bare(part) for part in argument]
    return argument._real if isinstance(argument, _Recorded) else argument


@contextmanager
def recorded(connection: Connection) -> Iterator[list[str]]:
    """The names of the libvirt calls made through a connection meanwhile."""
    calls: list[str] = []
    real = connection.own
    connection.own = _Recorded(real, calls)
    try:
        yield calls
    finally:
        connection.own = real
