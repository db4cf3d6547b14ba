"""Which changed rows concern whom: one thread a web process between the change feed and the open `/ws/live/` sockets.

The thread asks the database once for each change, whatever the number of sockets, filters the ids by what each person
may see, and drops them into the sockets' event loops. What a socket has not sent yet is merged, so a slow one costs a
set of ids and nothing more.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.db import connections
from django.utils.crypto import constant_time_compare

from consoles.close_codes import CloseCode
from guests.access import hosts_visible_to, visible_to
from guests.inventory.changes import ChangeFeed, Feed
from guests.inventory.models import Guest, Host, Revision
from guests.operations.host_kinds import hosts_whose_operations_show
from guests.operations.models import Operation

logger = logging.getLogger(__name__)

CHECK_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A place in the feeds: the revisions up to which a page has been told."""

    inventory: int
    operations: int

    @classmethod
    def now(cls) -> Moment:
        values = dict(Revision.objects.values_list("feed", "value"))
        return cls(values.get(Feed.INVENTORY, 0), values.get(Feed.OPERATIONS, 0))

    @classmethod
    def from_text(cls, text: str) -> Moment | None:
        """What `str` wrote; None for anything else."""
        first, _dot, second = text.partition(".")
        if not (first.isascii() and first.isdigit() and second.isascii() and second.isdigit() and len(text) < 40):
            return None
        return cls(int(first), int(second))

    def __str__(self) -> str:
        return f"{self.inventory}.{self.operations}"


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows that changed after a moment: guests and their hosts, hosts and their names, operations with the guest (None
    for one of the host itself) and the host of each.
    """

    guests: dict[UUID, UUID]
    hosts: dict[UUID, str]
    operations: dict[UUID, tuple[UUID | None, UUID]]

    @classmethod
    def since(cls, moment: Moment) -> Changes:
        return cls(
            dict(Guest.objects.filter(revision__gt=moment.inventory).values_list("pk", "host_id")),
            dict(Host.objects.filter(revision__gt=moment.inventory).values_list("pk", "name")),
            {
                pk: (guest, host)
                for pk, guest, host in Operation.objects.filter(revision__gt=moment.operations).values_list(
                    "pk", "guest_id", "host_id"
                )
            },
        )

    def __bool__(self) -> bool:
        return bool(self.guests or self.hosts or self.operations)


@dataclass(eq=False, slots=True)
class Viewer:
    """One socket. `pending` belongs to its event loop, the rest to the hub's thread."""

    user_id: int
    session_key: str
    since: Moment | None
    loop: asyncio.AbstractEventLoop
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    pending: dict[str, set[str]] = field(default_factory=dict)
    moment: str = ""
    ended: int = 0  # the close code, once it has to end
    guests: frozenset[UUID] | None = frozenset()  # None: all of them
    hosts: frozenset[UUID] | None = frozenset()
    whole_hosts: frozenset[UUID] | None = frozenset()  # those whose own operations they see
    ready: bool = False

    def tell(self, changes: Changes, moment: Moment) -> None:
        """From the hub's thread: hand over what this person may see of the changes."""
        guests, hosts = self.guests, self.hosts
        ids = {
            "guests": {str(pk) for pk in changes.guests if guests is None or pk in guests},
            "hosts": {name for pk, name in changes.hosts.items() if hosts is None or pk in hosts},
            "operations": {str(pk) for pk, (guest, host) in changes.operations.items() if self._sees(guest, host)},
        }
        if any(ids.values()):
            self._call(self._add, ids, str(moment))

    def _sees(self, guest: UUID | None, host: UUID) -> bool:
        if guest is None:
            return self.whole_hosts is None or host in self.whole_hosts
        return self.guests is None or guest in self.guests

    def end(self, code: int) -> None:
        """From the hub's thread: close the socket with this code."""
        self._call(self._end, code)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            self.loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            logger.debug("a live socket's loop was closed before its hint")

    def _add(self, ids: dict[str, set[str]], moment: str) -> None:
        for kind, more in ids.items():
            self.pending.setdefault(kind, set()).update(more)
        self.moment = moment
        self.wake.set()

    def _end(self, code: int) -> None:
        self.ended = code
        self.wake.set()


class HintHub:
    """All live sockets of this process. Its thread and change feed start with the first socket."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._viewers: set[Viewer] = set()
        self._wake = threading.Event()
        self._moved: set[Feed] = set()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def add(self, viewer: Viewer) -> None:
        """From an event loop: returns at once."""
        with self._lock:
            self._viewers.add(viewer)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live-hints", daemon=True)
                self._thread.start()
        self._wake.set()

    def remove(self, viewer: Viewer) -> None:
        """From an event loop: no more hints."""
        with self._lock:
            self._viewers.discard(viewer)

    def stop(self) -> None:
        """End the thread; sockets stay as they are, and the next one begins a new thread."""
        self._stopping = True
        self._wake.set()
        if self._thread:
            self._thread.join(timeout=5)
            if not self._thread.is_alive():
                self._thread, self._stopping = None, False

    def _hear(self, moved: dict[Feed, int]) -> None:
        with self._lock:
            self._moved.update(moved)
        self._wake.set()

    def _run(self) -> None:
        feed = ChangeFeed()
        feed.subscribe(self._hear)
        started = False
        told: Moment | None = None
        checked = time.monotonic()
        while not self._stopping:
            try:
                if not started:
                    told = Moment.now()
                    feed.start()
                    started = True
                assert told is not None
                told, checked = self._turn(told, checked)
            except Exception:
                logger.exception("live hints lost the database")
                connections["default"].close()
                self._hear(dict.fromkeys((Feed.RIGHTS, Feed.INVENTORY, Feed.OPERATIONS), 0))  # the round is done again
                time.sleep(1)
            self._wake.wait(CHECK_SECONDS)
        if started:
            feed.stop()
        connections["default"].close()

    def _turn(self, told: Moment, checked: float) -> tuple[Moment, float]:
        """One round: rights, new sockets, changes. Answers with what was told and when rights were last checked."""
        self._wake.clear()
        with self._lock:
            viewers, moved, self._moved = list(self._viewers), self._moved, set()
        if Feed.RIGHTS in moved or time.monotonic() - checked > CHECK_SECONDS:
            self._check([viewer for viewer in viewers if viewer.ready])
            checked = time.monotonic()
        now = Moment.now() if moved & {Feed.INVENTORY, Feed.OPERATIONS} or any(not v.ready for v in viewers) else told
        changes = Changes.since(told) if now != told else None
        new = [viewer for viewer in viewers if not viewer.ready]
        if new:
            self._check(new)
        for viewer in new:
            viewer.ready = True
            if viewer.since is not None and viewer.since != told:
                viewer.tell(Changes.since(viewer.since), now)
        if changes:
            self._learn(changes, viewers)
            for viewer in viewers:
                viewer.tell(changes, now)
        return now, checked

    @staticmethod
    def _check(viewers: list[Viewer]) -> None:
        """Who is still signed in, and what they may see now: some queries a person, none a guest."""
        users = get_user_model().objects.in_bulk({viewer.user_id for viewer in viewers})
        seen: dict[int, tuple[frozenset[UUID] | None, ...]] = {}
        for viewer in viewers:
            user = users.get(viewer.user_id)
            if user is None or not user.is_active:
                viewer.end(CloseCode.NOT_ALLOWED)
            elif not _is_signed_in(viewer.session_key, user):
                viewer.end(CloseCode.NOT_SIGNED_IN)
            else:
                if user.pk not in seen:
                    seen[user.pk] = _visible(user)
                viewer.guests, viewer.hosts, viewer.whole_hosts = seen[user.pk]
                continue
            viewer.guests = viewer.hosts = viewer.whole_hosts = frozenset()

    def _learn(self, changes: Changes, viewers: list[Viewer]) -> None:
        """A guest or host that a person with some rights does not know may be new: ask again what they see."""
        unknowing = [
            viewer
            for viewer in viewers
            if viewer.guests is not None
            and not (
                changes.guests.keys() <= viewer.guests
                and (viewer.hosts is None or changes.hosts.keys() <= viewer.hosts)
            )
        ]
        if unknowing:
            self._check(unknowing)


def _is_signed_in(session_key: str, user: Any) -> bool:
    """Whether the session still stands for this person (it ends with sign-out, expiry and a changed password)."""
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    data = store.load()
    return data.get(SESSION_KEY) == str(user.pk) and constant_time_compare(
        data.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()
    )


def _visible(user: Any) -> tuple[frozenset[UUID] | None, ...]:
    """The ids of the guests, of the hosts, and of the hosts as a whole that a person sees; None for everything."""
    if user.is_superuser:
        return None, None, None
    return (
        frozenset(visible_to(user).values_list("pk", flat=True)),
        frozenset(hosts_visible_to(user).values_list("pk", flat=True)),
        frozenset(hosts_whose_operations_show(user).values_list("pk", flat=True)),
    )
