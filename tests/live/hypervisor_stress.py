"""A process that uses guests.hypervisor roughly, for test_hypervisor_crash.py: what kills it must not kill pytest.

`python -m tests.live.hypervisor_stress KIND URI [UUID]`: says "ready" on stdout, then does what KIND says.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import django

from guests.errors import HypervisorError, HypervisorUnreachable
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.events import subscribe
from guests.hypervisor.reading import list_guests, list_stats
from guests.hypervisor.streams import open_text_stream

CALLERS = 6
CONSOLES = 40
ROUND_SECONDS = 5.0


def say(word: str) -> None:
    print(word, flush=True)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def callers(connection: Connection, errors: list[type[HypervisorError]]) -> list[threading.Thread]:
    """Threads that ask for the same connection until it breaks."""

    def ask() -> None:
        try:
            while True:
                list_guests(connection)
        except HypervisorError as error:
            errors.append(type(error))  # the error itself would hold the connection open in a cycle

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    return threads


def keepalive(uri: str, _uuid: UUID | None) -> None:
    """Several callers while the host hangs until keepalive ends the connection; then the host goes on."""
    connection = open_connection(uri, keepalive=(1, 1))
    errors: list[type[HypervisorError]] = []
    threads = callers(connection, errors)
    say("ready")
    for thread in threads:
        thread.join(15)
    assert not any(thread.is_alive() for thread in threads), "a caller was never woken"
    assert set(errors) == {HypervisorUnreachable}, errors
    say("broken")
    assert sys.stdin.readline()  # the host goes on
    time.sleep(1)
    connection.close()


def close(uri: str, _uuid: UUID | None) -> None:
    """Connections that are closed, and dropped, under their callers, with events on their way."""
    say("ready")
    descriptors = 0
    for turn in range(30):
        connection = open_connection(uri)
        subscribe(connection, lambda _event: None)
        errors: list[type[HypervisorError]] = []
        threads = callers(connection, errors)
        list_stats(connection)
        connection.close()
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads), "a caller hangs after the close"
        if turn == 5:
            descriptors = open_descriptors()
    # libvirt's event thread closes the socket in its next round, which may come after `close()` has returned.
    end = time.monotonic() + ROUND_SECONDS
    while open_descriptors() > descriptors + 1:
        assert time.monotonic() < end, "closed connections stay open"
        time.sleep(0.01)


def consoles(uri: str, uuid: UUID | None) -> None:
    """Text consoles that are typed into and closed while their guest floods them."""
    assert uuid is not None
    connection = open_connection(uri)
    say("ready")
    for turn in range(CONSOLES):
        received, ends = bytearray(), list[str]()
        # By force: a console server of an earlier test may keep it for a minute.
        stream = open_text_stream(connection, uuid, "serial0", force=True, on_data=received.extend, on_end=ends.append)

        keys = b"cat /proc/kallsyms\r" if turn % 2 else b"\x03"

        def type_on(send: Callable[[bytes], None] = stream.send, keys: bytes = keys) -> None:
            with suppress(HypervisorError):
                while True:
                    send(keys)

        typing = threading.Thread(target=type_on, daemon=True)
        typing.start()
        time.sleep(0.02 * (turn % 4))
        stream.close()
        del stream
        typing.join(12)
        assert not typing.is_alive(), "typing goes on after the close"
        assert ends == []
    connection.close()


def end_in_a_call(uri: str, _uuid: UUID | None) -> None:
    """The interpreter ends while threads are in a call of a host that hangs, and events come from another."""
    connection = open_connection(uri)
    subscribe(connection, lambda _event: None)
    callers(connection, [])
    say("ready")
    assert sys.stdin.readline()


if __name__ == "__main__":
    django.setup()
    kinds = {kind.__name__: kind for kind in (keepalive, close, consoles, end_in_a_call)}
    kinds[sys.argv[1]](sys.argv[2], UUID(sys.argv[3]) if len(sys.argv) > 3 else None)
    say("done")
