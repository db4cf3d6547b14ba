"""Which devices are recorded now: those of every guest whose consoles are always recorded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.conf import settings

from consoles.console_settings import recorded_guests
from consoles.disk_thread import DiskThread
from consoles.text.consoles_of import text_consoles_of
from consoles.text.device import Device
from consoles.text.recorder import AGAIN_SECONDS, Recorder
from guests.inventory.models import Guest

STOP_SECONDS = 1.0
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Recorded:
    """One device that is to be recorded."""

    guest: Guest
    device: str


def recorded_devices() -> list[Recorded]:
    """In a thread: all of them, by the inventory."""
    return [Recorded(guest, console.device) for guest in recorded_guests() for console in text_consoles_of(guest)]


def log_directory(guest_id: UUID, device: str) -> Path:
    """Where the log of a device lies; `device` is one of the names that our parser gives."""
    if not device.isalnum():
        raise ValueError(f"no device: {device!r}")
    return settings.CONSOLE_LOG_DIR / str(guest_id) / device


class Recordings:
    """The recorders of this console server; used in the loop."""

    def __init__(self, device: Callable[[Guest, str], Device]) -> None:
        self._device = device
        self._recorders: dict[tuple[UUID, str], Recorder] = {}
        self._thread = DiskThread("console-logs")

    def set(self, wanted: Iterable[Recorded]) -> None:
        """Record these from now on, and no others; whose disk refused is tried again after a minute."""
        keys = {(recorded.guest.pk, recorded.device): recorded for recorded in wanted}
        for key in self._recorders.keys() - keys.keys():
            self._recorders.pop(key).stop()
        for key, recorded in keys.items():
            earlier = self._recorders.get(key)
            if earlier and (not earlier.failed_at or time.monotonic() - earlier.failed_at < AGAIN_SECONDS):
                continue
            if earlier:
                earlier.stop(for_good=False)
            self._recorders[key] = recorder = Recorder(
                self._device(recorded.guest, recorded.device),
                log_directory(*key),
                int(settings.CONSOLE_LOG_MIB * MIB),
                self._thread,
            )
            recorder.start()

    async def settled(self, seconds: float) -> None:
        """Until every recorder that was started is at its device, at most so long."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(done.set)

        self._thread.do(tell)
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), seconds)

    def stop(self) -> None:
        """Finish every log; at most about a second."""
        for recorder in self._recorders.values():
            recorder.stop()
        self._recorders.clear()
        self._thread.stop(STOP_SECONDS)
