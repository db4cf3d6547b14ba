"""One person at one text console: a connection of the web process to the broker's unix socket.

A viewer has no queue of its own (`outgoing.py`): who is slow skips what left the ring, and nobody else waits.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from consoles.clock import ConsoleClock
from consoles.close_codes import CloseCode
from consoles.models import Mode
from consoles.sessions import LiveSession
from consoles.text import protocol
from consoles.text.device import Device
from consoles.text.limits import InputAllowance
from consoles.text.outgoing import Outgoing
from consoles.text.protocol import FromBrowser, Hello, MessageTooLong, ProtocolError, ToBrowser, Unpacker

SLOW_SECONDS = 45.0  # without an acknowledgement while output waits
HELLO_SECONDS = 5.0
ADMINISTER_SECONDS = 1.0  # between two requests that only administrators may make
UNSENT_BYTES = 1024 * 1024  # a web process that reads nothing is not worth more
_ids = itertools.count(1)


class Broker(Protocol):
    """Whom a viewer tells, in the loop."""

    def admit(self, viewer: Viewer, hello: Hello) -> None:
        """It said who it is."""

    def left(self, viewer: Viewer, why: str) -> None:
        """It is gone."""

    def log_asked(self, viewer: Viewer, transport: asyncio.Transport, message: bytes) -> None:
        """It is no viewer: it asks about a console log, and has the transport no more."""

    def administer(self, viewer: Viewer, request: str) -> None:
        """It asks for what only an administrator may: "take" or "take_over"."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What the database said of somebody who came."""

    session: LiveSession
    name: str
    administrator: bool  # may take the keyboard and take over, when last asked


class Viewer(asyncio.Protocol):
    """One connection; see the module."""

    is_person = True

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.id = str(next(_ids))
        self.name = ""
        self.since = time.time()
        self._unpacker = Unpacker()
        self._transport: asyncio.Transport | None = None
        self._hello_timer: asyncio.TimerHandle | None = None
        self._hello: Hello | None = None
        self._device: Device | None = None
        self.session: LiveSession | None = None
        self.closed = False
        self.why = "left"  # for the record
        self._outgoing: Outgoing | None = None  # once admitted
        # What came in.
        self._allowance = InputAllowance()
        self._clock = ConsoleClock()
        self._input_lost = 0
        self._refused_input = False
        self._administered_at = -ADMINISTER_SECONDS
        self._warned = ""

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._hello_timer = asyncio.get_running_loop().call_later(HELLO_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._unpacker.feed(data):
                if self.closed:
                    return
                self._receive(message)
        except MessageTooLong:
            with self.language():
                self.end(CloseCode.TOO_LONG, _("One message was longer than 64 KiB."))
        except ProtocolError as error:
            self.end(CloseCode.PROTOCOL, str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._hello_timer:
            self._hello_timer.cancel()
        if self._device:
            self._device.leave(self)
            self._device.keyboard.leave(self)
        self._broker.left(self, self.why)

    def end(self, code: int, sentence: str, *, why: str = "") -> None:
        """Say why, and hang up; safe to call twice."""
        if self.closed or self._transport is None:
            return
        self.why = why or sentence
        self._send(protocol.close(code, sentence))
        self.closed = True
        self._transport.close()

    @property
    def mode(self) -> Mode:
        """What this person may do now."""
        return self.session.mode if self.session else Mode.WATCH

    @property
    def device(self) -> Device | None:
        """Where it is, once admitted."""
        return self._device

    @property
    def hello(self) -> Hello:
        """Who it said it is."""
        assert self._hello is not None
        return self._hello

    def language(self) -> AbstractContextManager[None]:
        """Sentences in the person's language."""
        return translation.override(self._hello.language if self._hello else settings.LANGUAGE_CODE)

    # Coming in

    def enter(self, device: Device, admission: Admission) -> None:
        """Admitted: tell what is, replay the past from where this browser was, go on live."""
        ring = device.ring
        start = ring.begin(self.hello.ring, self.hello.after)
        self.session, self.name = admission.session, admission.name
        self._outgoing = outgoing = Outgoing(ring, start.offset, self)
        device.join(self)
        device.keyboard.enter(self)
        self._device = device
        self.say(
            hello=1,
            ring=ring.id,
            resumed=start.resumed,
            replay=[start.offset, outgoing.replay_until],
            modes=start.modes.decode("ascii"),
            mode=str(self.mode),
            you=self.id,
            administrator=admission.administrator,
            recording=self._recording(device),
            **device.status(),
            **device.keyboard.people(),
        )
        if start.lost_bytes:
            self.say(gap=start.lost_bytes)
        self.output()

    def _receive(self, message: bytes) -> None:
        if self._hello is None:
            if self._hello_timer:
                self._hello_timer.cancel()
            if message[0] == FromBrowser.LOG and self._transport:
                self.closed = True
                self._broker.log_asked(self, self._transport, message)
                return
            self._hello = Hello.parse(message)
            self._broker.admit(self, self._hello)
            return
        protocol.checked(message)
        if self._device is None:
            return  # not admitted yet: a browser says nothing before it is greeted
        kind = message[0]
        if kind == FromBrowser.ACK:
            assert self._outgoing is not None
            self._outgoing.acknowledge(protocol.parse_ack(message))
        elif kind == FromBrowser.INPUT:
            self._type(self._device, message[1:])
        else:
            self._request(self._device, protocol.parse_json(message))

    def _request(self, device: Device, request: dict[str, Any]) -> None:
        self._clock.touch()
        word = request.get("keyboard")
        if isinstance(word, str):
            to = request.get("to")
            if device.keyboard.request(self, word, to if isinstance(to, str) else ""):
                return
            if word == "take":
                self._administer("take")
            else:
                with self.language():
                    self.refuse(word[:20], _("The keyboard is not yours to do that."))
        elif request.get("take_over") is True:
            self._administer("take_over")

    def _administer(self, request: str) -> None:
        """Each costs a line of the audit record, granted or not: one a second is enough for a person."""
        now = time.monotonic()
        if now - self._administered_at > ADMINISTER_SECONDS:
            self._administered_at = now
            self._broker.administer(self, request)

    def refuse(self, request: str, sentence: str) -> None:
        """Tell that something was not done. Call it, and translate the sentence, in the person's language."""
        self.say(refused=request, sentence=sentence)

    def _type(self, device: Device, content: bytes) -> None:
        assert self.session is not None
        if not device.keyboard.may_type(self):
            self.session.dropped["input"] = self.session.dropped.get("input", 0) + len(content)
            self._refused_input = self.mode == Mode.CONTROL
            return
        self._clock.touch()
        allowed = self._allowance.take(content)
        typed = device.type(allowed) if allowed else 0
        self.session.count(bytes_in=typed)
        self._input_lost += len(content) - typed
        if self._allowance.is_abused:
            with self.language():
                self.end(CloseCode.TOO_FAST, _("Far more was typed at once than a console takes."))

    # Going out

    def output(self) -> None:
        """Send from the ring what the credit allows."""
        if self._outgoing and not self.closed:
            self._outgoing.send()

    def show(self, kind: ToBrowser, offset: int, content: bytes) -> None:
        """Output of the device, as DATA or REPLAY."""
        self._send(protocol.data(kind, offset, content))
        if self.session:
            self.session.count(bytes_out=len(content))

    def state_changed(self) -> None:
        """The device's state is another."""
        if self._device:
            self.say(**self._device.status())

    def mode_changed(self) -> None:
        """A controller became a watcher."""
        if self._device:
            self._device.keyboard.mode_changed(self)
            self.say(mode=str(self.mode))

    def recording_changed(self) -> None:
        """The console log is written, or no more."""
        if self._device:
            self.say(recording=self._recording(self._device))

    def _recording(self, device: Device) -> dict[str, str]:
        state, sentence = device.recording
        with self.language():
            return {"state": state, "sentence": _(sentence) if sentence else ""}

    def follow(self) -> None:
        """Nothing: whose keys go to the guest is asked at each of them."""

    def tell(self, people: bytes) -> None:
        """Who is here and who has the keyboard, as JSON that is made already."""
        if self._device:
            self._send(bytes([ToBrowser.STATUS]) + people)

    def beat(self, now: float) -> None:
        """Once a second: who is too slow, and what could not be typed."""
        if self._outgoing is None or self.closed:
            return
        with self.language():
            if self._outgoing.waits_for(now) > SLOW_SECONDS:
                sentence = _("This browser has drawn nothing for 45 seconds.")
                self.end(CloseCode.TOO_SLOW, sentence, why="too slow")
            if self._input_lost:
                lost, self._input_lost = self._input_lost, 0
                self.say(input_lost=lost)
            if self._refused_input:
                self._refused_input = False
                self.refuse("input", _("Somebody else has the keyboard."))
            self._look_at_the_clock(now)

    def _look_at_the_clock(self, now: float) -> None:
        """Warn a minute before, then end it."""
        ending = self._clock.ending(now, controls=self.mode == Mode.CONTROL)
        if ending is None or not ending.is_near:
            if self._warned:
                self._warned = ""
                self.say(ending=None)
        elif ending.in_seconds > 0:
            if self._warned != ending.why:
                self._warned = ending.why
                self.say(ending=ending.why, at=time.time() + ending.in_seconds)
        elif ending.why == "idle":
            self.end(CloseCode.IDLE, _("Nobody did anything at this console for a long time."), why="idle")
        else:
            self.end(CloseCode.OPEN_TOO_LONG, _("This console was open for as long as consoles may."), why="too long")

    def say(self, **values: Any) -> None:
        """A STATUS message."""
        self._send(protocol.status(**values))

    def _send(self, message: bytes) -> None:
        if self.closed or self._transport is None:
            return
        self._transport.write(protocol.packed(message))
        if self._transport.get_write_buffer_size() > UNSENT_BYTES:
            self.why = "the web process does not read"
            self.closed = True
            self._transport.abort()
