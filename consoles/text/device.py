"""One text console device of one guest: its state, its past, its one libvirt stream, and who looks at it.

    idle ─ first viewer → attaching → live ─ stream ends → attaching …
                              ├ guest not running → off      again when it starts, and every 5 s
                              ├ held elsewhere    → busy     again every 3 s; by force once, if asked
                              ├ no such console   → missing  again every 10 s
                              └ host away         → lost     again after 0.25 to 10 s
    any ─ 60 s after the last viewer → idle

Everything runs in the broker's loop, but `_take` (libvirt's event thread) and the keyboard's sends (a thread).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, Protocol

from consoles.sharing import TELL_SECONDS, SharedKeyboard
from consoles.text.gathering import Gathering, soon
from consoles.text.keyboard import Keyboard, Stream
from consoles.text.offloop import off_loop
from consoles.text.ring import Ring
from guests.errors import DeviceBusy, GuestNotFound, HypervisorError, NotSupported

logger = logging.getLogger(__name__)

DETACH_SECONDS = 60.0
REBOOT_SECONDS = 2.0
CLOSE_SECONDS = 3.0  # to let go of a stream
BACKOFF_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0, 7.0, 10.0)
UNHURRIED = 6  # times as long between two tries while only a recorder waits
AWAY_GRACE, AWAY_SECONDS = 6, 0.5  # tries, and between them, before a guest that left is believed to be gone
BUSY_GRACE = 3  # a libvirtd that was just restarted still calls the device held: tries before that is believed


class DeviceState(StrEnum):
    """What people are told."""

    IDLE = "idle"  # nobody looks
    ATTACHING = "attaching"
    LIVE = "live"
    OFF = "off"
    BUSY = "busy"
    LOST = "lost"
    MISSING = "missing"


AGAIN_SECONDS = {DeviceState.OFF: 5.0, DeviceState.BUSY: 3.0, DeviceState.MISSING: 10.0}


class GuestIsOff(HypervisorError):
    """The guest does not run: its console comes with it."""


class GuestIsElsewhere(GuestIsOff):
    """It does not run here because it was migrated."""


class Attach(Protocol):
    """Opens the device's stream; the callbacks may come from any thread. Raises guests.errors or GuestIsOff."""

    def __call__(
        self, on_data: Callable[[bytes], None], on_end: Callable[[str], None], *, force: bool
    ) -> Awaitable[Stream]:
        """`force`: from another client that holds it."""


class Watcher(Protocol):
    """Whoever looks at a device: a person's viewer, or the recorder. Called in the loop."""

    is_person: bool

    def output(self) -> None:
        """The ring has more, or a new mark."""

    def state_changed(self) -> None:
        """The device's state is another."""

    def recording_changed(self) -> None:
        """Its output is recorded, or no more."""


class Device:
    """See the module."""

    def __init__(self, attach: Attach, *, detach_seconds: float = DETACH_SECONDS) -> None:
        self._attach = attach
        self._detach_seconds = detach_seconds
        self._loop = asyncio.get_running_loop()
        self.ring = Ring()
        self.state = DeviceState.IDLE
        self.since = time.time()
        self.host = ""  # the name of the host where it is
        self.keyboard = SharedKeyboard(lambda tell: self._loop.call_later(TELL_SECONDS, tell))
        self.recording = ("off", "")  # off, on, full or failed; an English sentence, to be translated
        self._force = False  # an administrator wants it from who holds it; once
        self._settled: DeviceState | None = None  # the last of live, off, busy, missing, lost
        self._rebooted_at = 0.0
        self._end_word = ""  # why the last stream ended: stopped, taken, lost, or what a send said
        self.watchers: set[Watcher] = set()
        self._feeding: Keyboard | None = None
        self._run_task: asyncio.Task[None] | None = None
        self._detaching: asyncio.TimerHandle | None = None
        self._again = asyncio.Event()  # something happened: do not wait any longer
        self._ended = asyncio.Event()  # the stream of now is over
        self._attempt = 0  # callbacks of an earlier stream carry a smaller number
        self._closing = False
        self._gathering = Gathering(self._loop, self._show)

    # People

    def join(self, watcher: Watcher) -> None:
        """Somebody looks: attach if nobody did."""
        self.watchers.add(watcher)
        if watcher.is_person:
            self._again.set()
        if self._detaching:
            self._detaching.cancel()
            self._detaching = None
        if self._run_task is None:
            if self.ring.end:
                self.ring.mark("unwatched")
            self._set(DeviceState.ATTACHING)
            self._run_task = self._loop.create_task(self._run())

    def leave(self, watcher: Watcher) -> None:
        """Somebody left: detach a while after the last one."""
        self.watchers.discard(watcher)
        if not self.watchers and self._run_task and not self._detaching:
            self._detaching = self._loop.call_later(self._detach_seconds, self._detach)

    def type(self, content: bytes) -> int:
        """What a controller typed; how many bytes of it go to the guest."""
        if self.state != DeviceState.LIVE or self._feeding is None:
            return 0
        return self._feeding.type(content)

    def status(self) -> dict[str, Any]:
        """For a STATUS message."""
        return {"state": str(self.state), "since": self.since, "host": self.host}

    def take_over(self) -> bool:
        """Take it from the client of the host that holds it; False where nobody does."""
        if self.state != DeviceState.BUSY:
            return False
        self._force = True
        self._again.set()
        return True

    def moved(self, host: str) -> None:
        """The guest was migrated to that host, where it is attached now. Its past and its people stay."""
        self.host = host
        self._mark("moved")
        for watcher in list(self.watchers):
            watcher.state_changed()
        self._settled = None

    def recorded(self, state: str, sentence: str = "") -> None:
        """Tell whether its output is recorded."""
        if self.recording != (state, sentence):
            self.recording = (state, sentence)
            for watcher in list(self.watchers):
                watcher.recording_changed()

    # Events of the guest

    def try_again(self) -> None:
        """The guest was started, or is on another host: do not wait for the next try."""
        self._again.set()

    def guest_rebooted(self) -> None:
        """The stream outlives a reboot; people are told, once: QEMU may send several events for one."""
        if self.state == DeviceState.LIVE and time.monotonic() - self._rebooted_at > REBOOT_SECONDS:
            self._rebooted_at = time.monotonic()
            self._mark("rebooted")

    def host_lost(self) -> None:
        """The connection to the host is gone, whether the stream said so or not."""
        self._over(self._attempt, "lost")

    # The end

    def _detach(self) -> None:
        self._detaching = None
        if self._run_task:
            self._run_task.cancel()

    async def close(self) -> None:
        """Let go of the stream for good."""
        self._closing = True
        if self._run_task:
            self._run_task.cancel()
            await asyncio.wait({self._run_task}, timeout=1.0)

    # The machine

    async def _run(self) -> None:
        try:
            await self._keep_attached()
        finally:
            self._run_task = None
            self._settled = None
            self._attempt += 1
            self._set(DeviceState.IDLE)
            if self.watchers and not self._closing:  # somebody came while we let go
                self._set(DeviceState.ATTACHING)
                self._run_task = self._loop.create_task(self._run())

    async def _keep_attached(self) -> None:
        failures = busy = away = 0
        while True:
            self._again.clear()
            self._ended.clear()
            self._attempt += 1
            pause = 0.0
            force, self._force = self._force, False
            try:
                stream = await self._attach(self._taker(self._attempt), self._ender(self._attempt), force=force)
            except (GuestIsElsewhere, GuestNotFound) as error:
                failures, away = 0, away + 1
                # What was live a moment ago may be on its way to another host.
                on_its_way = self._settled == DeviceState.LIVE and away <= AWAY_GRACE
                found = DeviceState.OFF if isinstance(error, GuestIsOff) else DeviceState.MISSING
                state, pause = (DeviceState.ATTACHING, AWAY_SECONDS) if on_its_way else (found, 0.0)
            except GuestIsOff:
                state, failures = DeviceState.OFF, 0
                if self._settled not in {None, DeviceState.OFF}:
                    self._mark("stopped")
            except DeviceBusy:
                busy += 1
                grace = self._settled in {DeviceState.LIVE, DeviceState.LOST} and busy <= BUSY_GRACE
                state = DeviceState.ATTACHING if grace else DeviceState.BUSY
                pause = BACKOFF_SECONDS[busy] if grace else 0.0
            except NotSupported:
                state, failures = DeviceState.MISSING, 0
            except Exception as error:
                # A host that is away, or a fault of ours: people wait and are told, and it is tried again.
                logger.info(
                    "a text console was not attached: %s", error, exc_info=not isinstance(error, HypervisorError)
                )
                state, failures = DeviceState.LOST, failures + 1
                pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1]
            else:
                began = time.monotonic()
                await self._live(stream, by_force=force)
                # Said at once: opening a host that hangs takes its time before it fails.
                state = DeviceState.LOST if self._end_word == "lost" else DeviceState.ATTACHING
                busy, away = BUSY_GRACE if self._end_word == "taken" else 0, 0
                # A stream that ends at once, again and again, is not asked for without a pause.
                failures = failures + 1 if time.monotonic() - began < 1.0 else 0
                pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1] if failures else 0.0
            if state != DeviceState.ATTACHING:
                self._settled = state
            self._set(state)
            waits = AGAIN_SECONDS.get(state, 0.0)
            if not any(watcher.is_person for watcher in self.watchers):
                waits *= UNHURRIED  # an event says when the guest starts
            await self._pause(pause or waits)

    async def _live(self, stream: Stream, *, by_force: bool) -> None:
        """Until the stream ends; it is closed on every way out."""
        ended = self._ender(self._attempt)
        keyboard = Keyboard(stream, ended)
        self._feeding = keyboard
        try:
            if by_force:
                self._mark("taken_over")
            elif self._settled == DeviceState.OFF:
                self._mark("started")
            elif self._settled in {DeviceState.LIVE, DeviceState.LOST, DeviceState.BUSY} and self.ring.end:
                self._mark("reattached")
            self._settled = DeviceState.LIVE
            self._set(DeviceState.LIVE)
            await self._ended.wait()
        finally:
            self._feeding = None
            keyboard.close()
            closing = self._loop.create_task(off_loop(stream.close, name="text-stream-close"))
            await asyncio.wait({closing}, timeout=CLOSE_SECONDS)

    async def _pause(self, seconds: float) -> None:
        if seconds:
            try:
                await asyncio.wait_for(self._again.wait(), seconds)
            except TimeoutError:
                return

    def _set(self, state: DeviceState) -> None:
        if state == self.state:
            return
        self.state, self.since = state, time.time()
        for watcher in list(self.watchers):
            watcher.state_changed()

    def _mark(self, kind: str) -> None:
        self.ring.mark(kind)
        self._gathering.tell_now()

    # Output: event thread → ring → everybody who looks

    def _taker(self, attempt: int) -> Callable[[bytes], None]:
        return lambda content: self._take(attempt, content)

    def _ender(self, attempt: int) -> Callable[[str], None]:
        return lambda why: soon(self._loop, lambda: self._over(attempt, why))

    def _over(self, attempt: int, why: str) -> None:
        if attempt == self._attempt and not self._ended.is_set():
            self._end_word = why
            self._ended.set()

    def _take(self, attempt: int, content: bytes) -> None:
        """In libvirt's event thread: the ring takes it at once, so nothing piles up whatever the loop does."""
        if attempt != self._attempt:
            return
        self.ring.append(content)
        self._gathering.came(len(content))

    def _show(self) -> None:
        for watcher in list(self.watchers):
            watcher.output()
