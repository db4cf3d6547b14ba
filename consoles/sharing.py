"""Who is at one console, and whose keys go to the guest: everybody's who may type, or those of one holder.

One for each text device and each guest's screen; called by one thread at a time. The right to type is not decided here:
a watcher never gets the keyboard, whatever it asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from consoles.models import Mode, Sharing
from consoles.sessions import LiveSession

Soon = Callable[[Callable[[], None]], object]
TELL_SECONDS = 0.05  # who is here: many come at once when a console server was restarted


class Participant(Protocol):
    """One person at one console, as the others see them."""

    id: str
    name: str
    since: float  # Unix time
    session: LiveSession | None  # where it is counted what they move

    @property
    def mode(self) -> Mode:
        """What they may do now."""

    def follow(self) -> None:
        """Whose keys go to the guest may have changed, and counts from now on. Must return at once."""

    def tell(self, people: bytes) -> None:
        """Who is here now and who has the keyboard: `people()` as JSON."""


def taking(by: LiveSession | None, holder: Participant | None) -> dict[str, Any]:
    """What the record says of somebody who takes a console: from whom, and what both moved until then."""
    told: dict[str, Any] = {"holder": holder.name if holder else "", **(by.so_far() if by else {})}
    if holder is not None and holder.session is not None:
        told |= {f"holder_{name}": value for name, value in holder.session.so_far().items()}
    return told


class SharedKeyboard:
    """The people of one console, in the order they came, and the keyboard among them.

    `soon` is given a call that tells everybody; what changes until it is called is told by it, too.
    """

    def __init__(self, soon: Soon) -> None:
        self._soon = soon
        self._telling = False
        self.sharing = Sharing.ALL
        self.holder: Participant | None = None
        self._people: dict[str, Participant] = {}
        self._asking: list[Participant] = []
        self._words: dict[str, Callable[[Participant], bool]] = {
            "ask": self._ask,
            "unask": self._unask,
            "keep": self._keep,
            "release": self._release,
            "take": self._take_free,
        }

    def __len__(self) -> int:
        return len(self._people)

    def enter(self, viewer: Participant) -> None:
        """Somebody came; the first who may type finds the keyboard free and has it."""
        self._people[viewer.id] = viewer
        if self.holder is None and self._may_hold(viewer) and not self._others_may_hold(viewer):
            self.holder = viewer
        self._changed()

    def leave(self, viewer: Participant) -> None:
        """Somebody left; what they held is free."""
        if self._people.pop(viewer.id, None) is not None:
            self._let_go(viewer)
            self._changed()

    def mode_changed(self, viewer: Participant) -> None:
        """A controller became a watcher, or is one again; a watcher holds and asks nothing."""
        if viewer.mode != Mode.CONTROL:
            self._let_go(viewer)
        self._changed()

    def share(self, sharing: Sharing) -> None:
        """The guest's setting is this; a keyboard that was everybody's is nobody's at first."""
        if sharing != self.sharing:
            self.sharing = sharing
            self.holder, self._asking = None, []
            self._changed()

    def may_type(self, viewer: Participant) -> bool:
        """Whether this viewer's keys go to the guest."""
        return viewer.mode == Mode.CONTROL and (self.sharing == Sharing.ALL or self.holder is viewer)

    def request(self, viewer: Participant, word: str, to: str = "") -> bool:
        """What a viewer asks of the keyboard; False where that is not theirs to ask."""
        done = self._give(viewer, to) if word == "give" else word in self._words and self._words[word](viewer)
        if done:
            self._changed()
        return done

    def take(self, viewer: Participant) -> bool:
        """An administrator takes it from whoever has it."""
        if not self._may_hold(viewer):
            return False
        self._hand_to(viewer)
        self._changed()
        return True

    def people(self) -> dict[str, Any]:
        """For the pages."""
        rows = [
            {
                "id": viewer.id,
                "name": viewer.name,
                "mode": str(viewer.mode),
                "since": viewer.since,
                "holds": viewer is self.holder,
                "asks": viewer in self._asking,
            }
            for viewer in self._people.values()
        ]
        return {"people": rows, "keyboard": str(self.sharing)}

    def _ask(self, viewer: Participant) -> bool:
        if not self._may_hold(viewer):
            return False
        if self.holder is None:
            self._hand_to(viewer)
        elif viewer is not self.holder and viewer not in self._asking:
            self._asking.append(viewer)
        return True

    def _unask(self, viewer: Participant) -> bool:
        if viewer not in self._asking:
            return False
        self._asking.remove(viewer)
        return True

    def _keep(self, viewer: Participant) -> bool:
        if viewer is not self.holder:
            return False
        self._asking.clear()
        return True

    def _release(self, viewer: Participant) -> bool:
        if viewer is not self.holder:
            return False
        self._let_go(viewer)
        return True

    def _take_free(self, viewer: Participant) -> bool:
        if self.holder not in {None, viewer} or not self._may_hold(viewer):
            return False
        self._hand_to(viewer)
        return True

    def _give(self, viewer: Participant, to: str) -> bool:
        other = self._people.get(to)
        if viewer is not self.holder or other is None or not self._may_hold(other):
            return False
        self._hand_to(other)
        return True

    def _may_hold(self, viewer: Participant) -> bool:
        return self.sharing == Sharing.ONE and viewer.mode == Mode.CONTROL and viewer.id in self._people

    def _others_may_hold(self, viewer: Participant) -> bool:
        return any(other is not viewer and self._may_hold(other) for other in self._people.values())

    def _hand_to(self, viewer: Participant) -> None:
        self.holder = viewer
        if viewer in self._asking:
            self._asking.remove(viewer)

    def _let_go(self, viewer: Participant) -> None:
        """They hold and ask nothing any more; the keyboard goes to who asked first, or is free."""
        if viewer in self._asking:
            self._asking.remove(viewer)
        if self.holder is viewer:
            self.holder = self._asking.pop(0) if self._asking else None

    def _changed(self) -> None:
        for viewer in self._people.values():
            viewer.follow()
        if not self._telling and self._people:
            self._telling = True
            self._soon(self._tell)

    def _tell(self) -> None:
        """One message, made once, to everybody."""
        self._telling = False
        people = json.dumps(self.people(), separators=(",", ":")).encode()
        for viewer in list(self._people.values()):
            viewer.tell(people)
