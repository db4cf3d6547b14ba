"""A byte stream in a guest's place: what a device attaches to in these tests."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from consoles.text.device import Device
from guests.errors import DeviceBusy


class FakeStream:
    """Keeps what was typed; `says` is the guest's output, from a thread as libvirt's."""

    def __init__(self, on_data: Callable[[bytes], None], on_end: Callable[[str], None]) -> None:
        self.on_data, self.on_end = on_data, on_end
        self.sends: list[bytes] = []
        self.closed = False
        self.reads = threading.Event()
        self.reads.set()

    @property
    def typed(self) -> bytes:
        return b"".join(self.sends)

    def send(self, data: bytes) -> None:
        self.reads.wait(10)
        self.sends.append(data)

    def close(self) -> None:
        self.closed = True

    def says(self, *output: bytes) -> None:
        thread = threading.Thread(target=lambda: [self.on_data(piece) for piece in output])
        thread.start()
        thread.join()


class FakeHost:
    """Attaches devices; `refuse_with` is what the host answers instead."""

    def __init__(self) -> None:
        self.streams: list[FakeStream] = []
        self.attempts = self.forced = 0
        self.refuse_with: Exception | None = None

    @property
    def stream(self) -> FakeStream:
        return self.streams[-1]

    async def attach(
        self, on_data: Callable[[bytes], None], on_end: Callable[[str], None], *, force: bool = False
    ) -> FakeStream:
        self.attempts += 1
        self.forced += force
        if force and isinstance(self.refuse_with, DeviceBusy):
            self.refuse_with = None
        if self.refuse_with:
            raise self.refuse_with
        self.streams.append(FakeStream(on_data, on_end))
        return self.streams[-1]


class Onlooker:
    """Counts what a device tells."""

    is_person = True

    def __init__(self, device: Device) -> None:
        self.device = device
        self.states: list[str] = []
        self.outputs: list[float] = []
        self.recordings: list[str] = []

    def output(self) -> None:
        self.outputs.append(time.monotonic())

    def state_changed(self) -> None:
        self.states.append(str(self.device.state))

    def recording_changed(self) -> None:
        self.recordings.append(self.device.recording[0])


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        await asyncio.sleep(0.005)
