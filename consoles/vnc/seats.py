"""Who is at a guest's screen, and whose keys and clicks arrive.

The websocket carries RFB in its binary messages and this in its text messages, so that it has no life and no rights of
its own: JSON objects with the words of a text console (`consoles.text.protocol`). A page that does not greet is told
nothing.

From the page:

    {"hello": true}        the first one
    {"keyboard": "ask"}    or unask, keep, give (with to), release, take: as at a text console
    {"view_only": true}    look only, until false: what is held is released, and nothing more arrives
    {"here": true}         somebody is here: puts off the end of an idle console
    {"ping": 7}            is answered at once; the page measures the way

To the page:

    hello: 1            the answer, with you (this seat's id), mode, administrator (may take the keyboard)
    people, keyboard    everybody who is here, in the order they came, and how the keyboard is shared
    recording           {state: "off" | "on" | "full" | "failed", sentence}: whether what is shown is recorded
    mode: "watch"       the right to type is gone
    refused, sentence   a request was refused
    ending, at          "idle" or "long": this console is closed at about that Unix time; null: put off
    pong                what a ping said

Others are ignored. Whatever the page says, the filter lets pass what `Visit.allowed` says.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.utils.translation import gettext as _

from consoles.clock import ConsoleClock
from consoles.close_codes import CloseCode
from consoles.console_settings import keyboards_of
from consoles.models import Kind, Mode, Sharing
from consoles.sessions import LiveSession
from consoles.sharing import SharedKeyboard, taking
from consoles.vnc.endings import Ending
from consoles.vnc.telling import Telling
from consoles.vnc.visit import Visit
from consoles.vnc.warm_database import WarmDatabase
from guests import audit
from guests.access import Action, gives, may

ADMINISTER_SECONDS = 1.0  # between two takings: each is a line of the audit record, granted or not
XVP = {2: "shutdown", 3: "reboot", 4: "reset"}


class Seats:
    """The seats before all screens, with one keyboard for each screen. Called from many threads."""

    def __init__(self, database: WarmDatabase) -> None:
        self._database = database
        self._lock = threading.RLock()
        self._keyboards: dict[UUID, SharedKeyboard] = {}
        self._telling = Telling(self._lock, "vnc-people")

    @contextmanager
    def taken(self, visit: Visit, live: LiveSession, sharing: Sharing) -> Iterator[None]:
        """While it lasts, the person of this visit is seen by the others, and types when it is their turn."""
        guest = visit.guest
        with self._lock:
            keyboard = self._keyboards.setdefault(guest.pk, SharedKeyboard(self._telling.soon))
            seat = Seat(visit, live, keyboard, self._lock, self._database)
            live.on_downgrade = seat.became_watcher
            keyboard.share(sharing)
            keyboard.enter(seat)
        visit.heard, visit.powers, visit.on_time = seat.heard, seat.powers, seat.on_time
        visit.recording_changed = seat.say_recording
        visit.allow_power(gives(live.role, Action.POWER) and visit.mode == Mode.CONTROL)
        try:
            yield
        finally:
            with self._lock:
                keyboard.leave(seat)
                if not len(keyboard):
                    del self._keyboards[guest.pk]

    def close(self) -> None:
        """Tell nobody anything more."""
        self._telling.close()

    def settings_changed(self) -> None:
        """Ask the database how the keyboards are shared."""
        with self._lock:
            guests = list(self._keyboards)
        found = keyboards_of(guests) if guests else {}
        with self._lock:
            for guest, sharing in found.items():
                if keyboard := self._keyboards.get(guest):
                    keyboard.share(sharing)


class Seat:
    """One person before one screen: a `Participant`."""

    def __init__(
        self,
        visit: Visit,
        live: LiveSession,
        keyboard: SharedKeyboard,
        lock: threading.RLock,
        database: WarmDatabase,
    ) -> None:
        self.id = visit.id
        self.name = visit.user.get_username()
        self.since = time.time()
        self.session: LiveSession | None = live
        self._visit = visit
        self._keyboard = keyboard
        self._lock = lock
        self._database = database
        self._address = live.peer
        self._administrator = gives(live.role, Action.TAKE_OVER)
        self._greeted = False
        self._looks_only = False  # by their own wish
        self._administered_at = -ADMINISTER_SECONDS
        self._clock = ConsoleClock()
        self._warned = ""

    @property
    def mode(self) -> Mode:
        """What they may do now, and want to."""
        return Mode.WATCH if self._looks_only else self._visit.mode

    def follow(self) -> None:
        """The filter lets pass what they type now."""
        self._visit.give_keyboard(self._keyboard.may_type(self))

    def tell(self, people: bytes) -> None:
        """Who is here now."""
        if self._greeted:
            self._visit.tell("people", people)

    def became_watcher(self) -> None:
        """The right to type is lost. From any thread."""
        self._visit.become_watcher()
        self._say(mode=str(Mode.WATCH))
        with self._lock:
            self._keyboard.mode_changed(self)

    def say_recording(self) -> None:
        """Tell the page whether it is recorded. From any thread."""
        self._say(recording=self._visit.recording)

    def heard(self, message: bytes) -> None:
        """What the page asks; in the relaying thread."""
        request = _object(message)
        if "hello" in request and not self._greeted:
            self._greet()
        if isinstance(request.get("ping"), int | float):
            self._say(pong=request["ping"])
        if request.keys() - {"ping", "hello"}:
            self._clock.touch()
            self.on_time(typed=False)
        if isinstance(request.get("view_only"), bool):
            self._look_only(request["view_only"])
        if isinstance(word := request.get("keyboard"), str):
            self._ask(word, str(request.get("to", "")))

    def on_time(self, typed: bool) -> Ending | None:
        """Whether the console is over by the clock, which is told a minute before; in the relaying thread."""
        if typed:
            self._clock.touch()
        ends = self._clock.ending(time.monotonic(), controls=self.mode == Mode.CONTROL)
        if ends is None or not ends.is_near:
            if self._warned:
                self._warned = ""
                self._say(ending=None)
            return None
        if ends.in_seconds > 0:
            if self._warned != ends.why:
                self._warned = ends.why
                self._say(ending=ends.why, at=time.time() + ends.in_seconds)
            return None
        if ends.why == "idle":
            return Ending(CloseCode.IDLE, _("Nobody did anything at this console for a long time."))
        return Ending(CloseCode.OPEN_TOO_LONG, _("This console was open for as long as consoles may."))

    def powers(self, code: int) -> bool:
        """Whether xvp's message may pass now, which is recorded first; in the relaying thread."""
        if code not in XVP:
            return False
        return self._administers(Action.POWER, "console.power", request=XVP[code])

    def _greet(self) -> None:
        self._greeted = True
        self._say(hello=1, you=self.id, mode=str(self._visit.mode), administrator=self._administrator)
        self.say_recording()
        with self._lock:
            self.tell(json.dumps(self._keyboard.people(), separators=(",", ":")).encode())

    def _say(self, **values: Any) -> None:
        """Send the page a message; one that begins alike and was not yet sent is replaced."""
        if self._greeted:
            self._visit.tell(next(iter(values)), json.dumps(values, separators=(",", ":")).encode())

    def _look_only(self, wanted: bool) -> None:
        with self._lock:
            if self._looks_only != wanted:
                self._looks_only = wanted
                self._keyboard.mode_changed(self)

    def _ask(self, word: str, to: str) -> None:
        with self._lock:
            done = self._keyboard.request(self, word, to)
        if not done and word == "take":
            self._take()
        elif not done:
            self._say(refused=word[:20], sentence=_("The keyboard is not yours to do that."))

    def _take(self) -> None:
        """From whoever has it."""
        now = time.monotonic()
        if now - self._administered_at < ADMINISTER_SECONDS:
            return
        self._administered_at = now
        details = taking(self.session, self._keyboard.holder)
        if not self._administers(Action.TAKE_OVER, "console.take_keyboard", kind=str(Kind.VNC), **details):
            self._say(refused="take", sentence=_("Only administrators may do this."))
            return
        with self._lock:
            done = self._keyboard.take(self)
        if not done:
            self._say(refused="take", sentence=_("The keyboard is not yours to do that."))

    def _administers(self, action: Action, recorded_as: str, **details: Any) -> bool:
        """The right is asked for now, and what is done is recorded before: what cannot be recorded is not done."""
        with self._database.lent():
            user = get_user_model().objects.filter(pk=self._visit.user.pk).first()
            allowed = user is not None and may(user, action, self._visit.guest)
            audit.record(
                recorded_as,
                by=user,
                guest=self._visit.guest,
                outcome="ok" if allowed else "denied",
                address=self._address,
                **details,
            )
            return allowed


def _object(message: bytes) -> dict[str, Any]:
    """A request; an empty one for what is none."""
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
