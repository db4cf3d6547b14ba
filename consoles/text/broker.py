"""The text broker: a unix socket that the web processes connect to, one connection per person and console.

Runs in the console server's asyncio loop; knows every device and every viewer of this process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from uuid import UUID

from django.utils import translation

from consoles.close_codes import CloseCode, ConsoleRefused
from consoles.models import Kind
from consoles.sessions import LiveSession, LiveSessions
from consoles.text.consoles_of import has_text_consoles
from consoles.text.device import Device, DeviceState
from consoles.text.host_link import HostLink
from consoles.text.offloop import with_database
from consoles.text.protocol import Hello
from consoles.text.ring import RING_BYTES
from consoles.text.viewer import Viewer
from guests.inventory.models import Guest

logger = logging.getLogger(__name__)

RINGS_BYTES = 64 * 1024 * 1024  # of all devices; the ones that nobody looked at for longest go first
BEAT_SECONDS = 1.0
GOODBYE_SECONDS = 1.5

Key = tuple[str, UUID, str]  # host address, libvirt's UUID, device


class TextBroker:
    """`await start()`, serve, `await stop()`."""

    def __init__(self, sessions: LiveSessions, path: Path, link: Callable[[str], HostLink] = HostLink) -> None:
        self._sessions = sessions
        self._link = link
        self._path = path
        self._links: dict[str, HostLink] = {}
        self._devices: dict[Key, Device] = {}
        self._viewers: set[Viewer] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._beat: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. A socket file that an earlier console server left behind is replaced."""
        self._path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._connected, self._path, backlog=512)
        self._path.chmod(0o600)
        self._beat = loop.create_task(self._beats())

    async def stop(self) -> None:
        """Send everybody away, let go of every stream; at most about 3 s."""
        if self._server:
            self._server.close()
            self._path.unlink(missing_ok=True)
        if self._beat:
            self._beat.cancel()
        for viewer in list(self._viewers):
            viewer.end(CloseCode.GOING_AWAY, "the console server stops", why="the console server was stopped")
        closing = [asyncio.ensure_future(device.close()) for device in self._devices.values()]
        await asyncio.sleep(0)
        waiting = {*closing, *self._tasks}
        if waiting:
            await asyncio.wait(waiting, timeout=GOODBYE_SECONDS)
        links = [asyncio.ensure_future(link.close()) for link in self._links.values()]
        if links:
            await asyncio.wait(links, timeout=0.5)

    def _connected(self) -> Viewer:
        viewer = Viewer(self._admit, self._left)
        self._viewers.add(viewer)
        return viewer

    # Admission

    def _admit(self, viewer: Viewer, hello: Hello) -> None:
        self._spawn(self._let_in(viewer, hello))

    async def _let_in(self, viewer: Viewer, hello: Hello) -> None:
        loop = asyncio.get_running_loop()

        def revoke(code: int, sentence: str) -> None:
            loop.call_soon_threadsafe(viewer.end, code, sentence)

        def downgrade() -> None:
            loop.call_soon_threadsafe(viewer.mode_changed)

        def look_up() -> tuple[Guest, LiveSession]:
            with translation.override(hello.language):
                guest = Guest.objects.select_related("host").filter(pk=hello.guest_id, gone_at=None).first()
                if guest is None or not has_text_consoles(guest.host):
                    raise ConsoleRefused(CloseCode.NOT_FOUND, "no such console")
                return guest, self._sessions.open(
                    kind=Kind.TEXT,
                    mode=hello.mode,
                    user_id=hello.user_id,
                    session_hash=hello.session_hash,
                    guest_id=hello.guest_id,
                    device=hello.device,
                    peer=hello.peer,
                    on_revoke=revoke,
                    on_downgrade=downgrade,
                )

        try:
            guest, session = await with_database(look_up)
        except ConsoleRefused as refusal:
            viewer.end(refusal.close_code, refusal.sentence)
            return
        except Exception:
            logger.exception("a viewer could not be admitted")
            viewer.end(CloseCode.FAILED, "the console server failed")
            return
        if viewer.closed:  # gone, or revoked, while the database was asked
            viewer.session = session
            self._left(viewer, viewer.why)
            return
        viewer.enter(self._device(guest, hello.device), session)

    def _device(self, guest: Guest, name: str) -> Device:
        key = (guest.host.uri, guest.uuid, name)
        device = self._devices.pop(key, None)
        if device is None:
            uri = guest.host.uri
            if uri not in self._links:
                self._links[uri] = self._link(uri)
            device = self._links[uri].device(guest.uuid, name)
            self._make_room()
        self._devices[key] = device  # last: used last
        return device

    def _make_room(self) -> None:
        """Forget the past of devices that nobody looks at, oldest first, beyond the cap."""
        excess = len(self._devices) + 1 - RINGS_BYTES // RING_BYTES
        idle = [key for key, device in self._devices.items() if device.state == DeviceState.IDLE]
        for key in idle[: max(0, excess)]:
            uri, uuid, _name = key
            self._links[uri].forget(uuid, self._devices.pop(key))

    def _left(self, viewer: Viewer, why: str) -> None:
        """End the record; the loop goes on meanwhile."""
        self._viewers.discard(viewer)
        session, viewer.session = viewer.session, None
        if session is not None:
            live = session
            self._spawn(with_database(lambda: live.close(why)))

    # Time

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            now = time.monotonic()
            for viewer in list(self._viewers):
                viewer.beat(now)
            in_use = {uri for (uri, _, _), device in self._devices.items() if device.state != DeviceState.IDLE}
            for uri, link in self._links.items():
                if uri not in in_use and link.is_open:
                    self._spawn(link.close())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("work of the text broker failed", exc_info=error)
