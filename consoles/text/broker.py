"""The text broker: a unix socket that the web processes connect to, one connection per person and console.

Runs in the console server's asyncio loop; knows every device and every viewer of this process.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.utils import translation
from django.utils.translation import gettext as _

from consoles.close_codes import CloseCode, ConsoleRefused
from consoles.console_settings import setting_of
from consoles.models import ConsoleSetting, Kind, Sharing
from consoles.sessions import LiveSessions, session_key_of
from consoles.sharing import taking
from consoles.text.consoles_of import has_text_consoles
from consoles.text.device import Device, DeviceState
from consoles.text.following import FollowingDevice
from consoles.text.host_link import HostLink
from consoles.text.log_answers import LogAnswer
from consoles.text.offloop import with_database
from consoles.text.protocol import Hello
from consoles.text.recordings import Recordings, recorded_devices
from consoles.text.ring import RING_BYTES
from consoles.text.viewer import Admission, Viewer
from guests import audit
from guests.access import Action, may
from guests.inventory.changes import ChangeFeed, Feed
from guests.inventory.models import Guest

logger = logging.getLogger(__name__)

RINGS_BYTES = 64 * 1024 * 1024  # of all devices; the ones that nobody looked at for longest go first
BEAT_SECONDS = 1.0
GOODBYE_SECONDS = 1.5
LOGS_SECONDS = 2.0  # until the console logs are open, at most; nobody's past is lost if they take longer
INVENTORY_SECONDS = 5.0  # a new guest is recorded after this
AGAIN_SECONDS = 20.0  # how often it is looked what is to be recorded, without a reason

WAITING = set(DeviceState) - {DeviceState.IDLE, DeviceState.LIVE}

Key = tuple[UUID, str]  # Guest.id, device


class TextBroker:
    """`await start()`, serve, `await stop()`."""

    def __init__(
        self,
        sessions: LiveSessions,
        path: Path,
        link: Callable[[str], HostLink] = HostLink,
        feed: ChangeFeed | None = None,
    ) -> None:
        self._sessions = sessions
        self._feed = feed
        self._unsubscribe: Callable[[], None] = lambda: None
        self._recordings = Recordings(self._device)
        self._look_again_at = math.inf  # monotonic: at what is recorded
        self._link = link
        self._path = path
        self._links: dict[str, HostLink] = {}
        self._devices: dict[Key, FollowingDevice] = {}
        self._viewers: set[Viewer] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._looks = False  # at where guests are
        self._server: asyncio.Server | None = None
        self._beat: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to record, and listen. A socket file that an earlier console server left behind is replaced."""
        loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._record(), LOGS_SECONDS)
        self._path.unlink(missing_ok=True)
        self._server = await loop.create_unix_server(self._connected, self._path, backlog=512)
        self._path.chmod(0o600)
        self._beat = loop.create_task(self._beats())
        if self._feed:

            def hear(moved: dict[Feed, int]) -> None:
                if Feed.CONSOLES in moved or Feed.INVENTORY in moved:
                    with suppress(RuntimeError):  # the loop is closed: the process ends
                        loop.call_soon_threadsafe(self._hear, Feed.CONSOLES in moved)

            self._unsubscribe = self._feed.subscribe(hear)

    async def stop(self) -> None:
        """Send everybody away, let go of every stream; at most about 3 s."""
        self._unsubscribe()
        if self._server:
            self._server.close()
            self._path.unlink(missing_ok=True)
        if self._beat:
            self._beat.cancel()
        for viewer in list(self._viewers):
            with viewer.language():
                sentence = _("The console server stops.")
                viewer.end(CloseCode.GOING_AWAY, sentence, why="the console server was stopped")
        self._recordings.stop()
        closing = [asyncio.ensure_future(following.device.close()) for following in self._devices.values()]
        await asyncio.sleep(0)
        waiting = {*closing, *self._tasks}
        if waiting:
            await asyncio.wait(waiting, timeout=GOODBYE_SECONDS)
        links = [asyncio.ensure_future(link.close()) for link in self._links.values()]
        if links:
            await asyncio.wait(links, timeout=0.5)

    def _connected(self) -> Viewer:
        viewer = Viewer(self)
        self._viewers.add(viewer)
        return viewer

    # Admission

    def admit(self, viewer: Viewer, hello: Hello) -> None:
        """What `viewer.Broker` wants."""
        self._spawn(self._let_in(viewer, hello))

    async def _let_in(self, viewer: Viewer, hello: Hello) -> None:
        loop = asyncio.get_running_loop()

        def revoke(code: int, sentence: str) -> None:
            loop.call_soon_threadsafe(viewer.end, code, sentence)

        def downgrade() -> None:
            loop.call_soon_threadsafe(viewer.mode_changed)

        def look_up() -> tuple[Guest, ConsoleSetting, Admission]:
            with translation.override(hello.language):
                guest = Guest.objects.select_related("host").filter(pk=hello.guest_id, gone_at=None).first()
                if guest is None or not has_text_consoles(guest.host):
                    raise ConsoleRefused(CloseCode.NOT_FOUND, _("This guest or this console is not there any more."))
                session = self._sessions.open(
                    kind=Kind.TEXT,
                    mode=hello.mode,
                    user_id=hello.user_id,
                    session_key=session_key_of(hello.session_hash),
                    guest=guest,
                    device=hello.device,
                    peer=hello.peer,
                    on_revoke=revoke,
                    on_downgrade=downgrade,
                )
                user = get_user_model().objects.get(pk=hello.user_id)
                administrator = may(user, Action.TAKE_OVER, guest)
                return guest, setting_of(guest), Admission(session, user.get_username(), administrator)

        try:
            guest, setting, admission = await with_database(look_up)
        except ConsoleRefused as refusal:
            viewer.end(refusal.close_code, refusal.sentence)
            return
        except Exception:
            logger.exception("a viewer could not be admitted")
            with viewer.language():
                viewer.end(CloseCode.FAILED, _("The console server failed."))
            return
        if viewer.closed:  # gone, or revoked, while the database was asked
            viewer.session = admission.session
            self.left(viewer, viewer.why)
            return
        device = self._device(guest, hello.device)
        device.keyboard.share(Sharing(setting.keyboard))
        viewer.enter(device, admission)

    def _device(self, guest: Guest, name: str) -> Device:
        following = self._devices.pop((guest.pk, name), None)
        if following is None:
            self._make_room()
            following = FollowingDevice(guest, name, self._link_to, lambda: with_database(self._sessions.check))
        self._devices[guest.pk, name] = following  # last: used last
        return following.device

    def _make_room(self) -> None:
        """Forget the past of devices that nobody looks at, oldest first, beyond the cap."""
        excess = len(self._devices) + 1 - RINGS_BYTES // RING_BYTES
        idle = [key for key, following in self._devices.items() if following.device.state == DeviceState.IDLE]
        for key in idle[: max(0, excess)]:
            self._devices.pop(key).forget()

    def left(self, viewer: Viewer, why: str) -> None:
        """End the record; the loop goes on meanwhile."""
        self._viewers.discard(viewer)
        session, viewer.session = viewer.session, None
        if session is not None:
            live = session
            self._spawn(with_database(lambda: live.close(why)))

    # Migration

    async def _look_where_they_are(self) -> None:
        """Guests of consoles that wait may be on another host now: try there at once."""
        waiting = [f for f in self._devices.values() if f.device.state in WAITING and f.device.watchers]
        if not waiting or self._looks:
            return
        self._looks = True
        try:
            found = Guest.objects.filter(pk__in={following.guest_id for following in waiting})
            hosts = dict(await with_database(lambda: list(found.values_list("pk", "host__uri"))))
        finally:
            self._looks = False
        for following in waiting:
            if hosts.get(following.guest_id, following.uri) != following.uri:
                following.device.try_again()

    def _link_to(self, uri: str) -> HostLink:
        if uri not in self._links:
            self._links[uri] = self._link(uri)
        return self._links[uri]

    # Settings and administrators

    def _hear(self, settings: bool) -> None:
        """A setting changed, or a guest."""
        if settings:
            self._spawn(self.settings_changed())
        else:
            self._spawn(self._look_where_they_are())
            self._look_again_at = min(self._look_again_at, time.monotonic() + INVENTORY_SECONDS)

    async def _record(self) -> None:
        """Ask the database what is to be recorded, and see to it."""
        self._look_again_at = time.monotonic() + AGAIN_SECONDS
        try:
            wanted = await with_database(recorded_devices)
        except Exception:
            logger.exception("what is to be recorded could not be found out")
            return
        self._recordings.set(wanted)
        await self._recordings.settled(LOGS_SECONDS)

    async def settings_changed(self) -> None:
        """Ask the database how the guests of every open device are shared."""
        asked = {guest_id for guest_id, _name in self._devices}

        def look_up() -> dict[UUID, ConsoleSetting]:
            return {guest.pk: setting_of(guest) for guest in Guest.objects.filter(pk__in=asked, gone_at=None)}

        found = await with_database(look_up)
        for following in self._devices.values():
            if setting := found.get(following.guest_id):
                following.device.keyboard.share(Sharing(setting.keyboard))
        await self._record()

    def administer(self, viewer: Viewer, request: str) -> None:
        """What `viewer.Broker` wants."""
        self._spawn(self._administer(viewer, request))

    async def _administer(self, viewer: Viewer, request: str) -> None:
        """The right is asked for now, and what is done is recorded first: what cannot be recorded is not done."""
        device, hello = viewer.device, viewer.hello
        if device is None or (request == "take_over" and device.state != DeviceState.BUSY):
            return
        details = taking(viewer.session, device.keyboard.holder)

        def check() -> bool:
            user = get_user_model().objects.filter(pk=hello.user_id).first()
            guest = Guest.objects.select_related("host").filter(pk=hello.guest_id).first()
            if user is None or guest is None:
                return False
            allowed = may(user, Action.TAKE_OVER, guest)
            audit.record(
                "console.take_over" if request == "take_over" else "console.take_keyboard",
                by=user,
                guest=guest,
                outcome="ok" if allowed else "denied",
                address=hello.peer,
                device=hello.device,
                kind=str(Kind.TEXT),
                **details,
            )
            return allowed

        allowed = await with_database(check)
        if viewer.closed:
            return
        done = allowed and (device.take_over() if request == "take_over" else device.keyboard.take(viewer))
        if not done:
            with viewer.language():
                viewer.refuse(
                    request,
                    _("Nobody else holds this console now.") if allowed else _("Only administrators may do this."),
                )

    def log_asked(self, viewer: Viewer, transport: asyncio.Transport, message: bytes) -> None:
        """What `viewer.Broker` wants."""
        self._viewers.discard(viewer)
        self._spawn(LogAnswer(transport).run(message))

    # Time

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            now = time.monotonic()
            for viewer in list(self._viewers):
                viewer.beat(now)
            if now > self._look_again_at:
                self._look_again_at = now + AGAIN_SECONDS
                self._spawn(self._record())
            in_use = {f.uri for f in self._devices.values() if f.device.state != DeviceState.IDLE}
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
