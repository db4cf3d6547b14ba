"""The text consoles' own connection to one host: opened when the first device needs it, watched, closed with the last.

Apart from the worker's connections: libvirtd stops reading a client's socket while five of its calls are under way, so
slow calls on a shared one would freeze what people type.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from consoles.text.device import Device, GuestIsElsewhere, GuestIsOff
from consoles.text.keyboard import Stream
from consoles.text.offloop import off_loop
from guests.errors import HypervisorError, HypervisorUnreachable, NotSupported
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.events import subscribe
from guests.hypervisor.reading import get_guest
from guests.hypervisor.streams import TextStream, open_text_stream
from guests.inventory.moving import MIGRATED
from guests.resources import EventKind, GuestEvent

logger = logging.getLogger(__name__)

CALL_SECONDS = 20.0  # keepalive ends a call on a hung host before this


class HostLink:
    """One per host address; used in the broker's loop."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._loop = asyncio.get_running_loop()
        self._devices: dict[UUID, set[Device]] = {}
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    def add(self, uuid: UUID, device: Device) -> None:
        """From now on the device hears of this guest (libvirt's UUID), and when the host is lost."""
        self._devices.setdefault(uuid, set()).add(device)

    async def attach(
        self, uuid: UUID, name: str, on_data: Callable[[bytes], None], on_end: Callable[[str], None], *, force: bool
    ) -> Stream:
        """The stream of a guest's device; see `device.Attach`."""
        connection = await self._open()
        call = off_loop(
            lambda: _open_device(connection, uuid, name, on_data, on_end, force=force),
            name="text-attach",
            late=TextStream.close,
        )
        try:
            return await asyncio.wait_for(call, CALL_SECONDS)
        except TimeoutError as error:
            self._lost(connection)
            raise HypervisorUnreachable("The host does not answer.") from error
        except HypervisorUnreachable:
            if not connection.is_alive():
                self._lost(connection)
            raise

    def forget(self, uuid: UUID, device: Device) -> None:
        """The device is gone for good, or on another host."""
        devices = self._devices.get(uuid, set())
        devices.discard(device)
        if not devices:
            self._devices.pop(uuid, None)

    async def close(self) -> None:
        """Close the connection, if there is one; it is opened again when a device needs it."""
        connection, self._connection = self._connection, None
        if self._opening:
            self._opening.cancel()
            self._opening = None
        if connection:
            await off_loop(connection.close, name="text-host-close")

    async def _open(self) -> Connection:
        """The connection; all devices of a host wait for the same attempt."""
        if self._connection and self._connection.is_alive():
            return self._connection
        if self._opening is None:
            self._opening = self._loop.create_task(self._dial())
        return await asyncio.shield(self._opening)

    async def _dial(self) -> Connection:
        try:
            connection = await off_loop(self._dial_now, name="text-host-open", late=Connection.close)
        finally:
            self._opening = None
        self._connection = connection
        if not connection.is_alive():  # it went away before its close could be told to us
            self._lost(connection)
            raise HypervisorUnreachable("The host does not answer.")
        return connection

    def _dial_now(self) -> Connection:
        """In a thread: open, and listen for events and for the end."""
        connection = open_connection(self.uri)
        try:
            connection.on_close(lambda _reason: self._soon(lambda: self._lost(connection)))
            with suppress(NotSupported):
                subscribe(connection, lambda event: self._soon(lambda: self._hear(event)))
        except HypervisorError:
            connection.close()
            raise
        return connection

    def _soon(self, call: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(call)

    def _hear(self, event: GuestEvent) -> None:
        for device in self._devices.get(event.uuid, ()):
            if event.kind == EventKind.REBOOT:
                device.guest_rebooted()
            elif event.detail == "started":
                device.try_again()

    def _lost(self, connection: Connection) -> None:
        """The host went away, whether the streams say so or not: libvirtd's end raises no event on some."""
        if self._connection is connection:
            self._connection = None
            logger.info("the text consoles' connection to %s is lost", self.uri)
            for devices in list(self._devices.values()):
                for device in list(devices):
                    device.host_lost()
        self._loop.create_task(off_loop(connection.close, name="text-host-close"))


def _open_device(
    connection: Connection,
    uuid: UUID,
    name: str,
    on_data: Callable[[bytes], None],
    on_end: Callable[[str], None],
    *,
    force: bool,
) -> TextStream:
    """In a thread. The alias is read now: it belongs to the running guest, not to our records."""
    guest = get_guest(connection, uuid)
    if not guest.state.is_active and guest.reason == MIGRATED:
        raise GuestIsElsewhere(f"{guest.name} was migrated to another host.")
    if not guest.state.is_active:
        raise GuestIsOff(f"{guest.name} does not run.")
    console = next((c for c in guest.definition.text_consoles if c.device == name), None)
    if console is None or not console.pty:
        raise NotSupported(f"{guest.name} has no text console {name} that can be opened.")
    return open_text_stream(connection, uuid, console.alias, force=force, on_data=on_data, on_end=on_end)
