"""The change feed: every row carries the revision it last changed in, and every process hears of a new one.

Writers call `next_revision(feed)` inside their transaction and store it on the rows they change. Readers run one
`ChangeFeed` per process: a thread that notices commits of other processes (SQLite: `PRAGMA data_version` on a
connection kept open, every 20 ms; PostgreSQL: LISTEN) and calls its subscribers with the feeds whose revision moved.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from enum import StrEnum

from django.db import connection, connections, transaction
from django.db.models import F

from guests.inventory.models import Revision

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.02
SAFETY_POLL_SECONDS = 1.0
CHANNEL = "guesthouse_changes"


class Feed(StrEnum):
    """What may change."""

    INVENTORY = "inventory"  # hosts and guests: state, definition, samples
    OPERATIONS = "operations"  # queued, moved, ended
    RIGHTS = "rights"  # grants, users, sessions: open consoles and live sockets check again
    CONSOLES = "consoles"  # how a guest's text consoles are shared and recorded
    PICTURES = "pictures"  # somebody looks at guests' screens, vCPUs or addresses: the worker takes or asks them


def next_revision(feed: Feed) -> int:
    """The number for the rows of this transaction. Must run inside `transaction.atomic()`; commits in number order."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("next_revision() needs a transaction")
    if not Revision.objects.filter(feed=feed).update(value=F("value") + 1):
        Revision.objects.get_or_create(feed=feed)
        Revision.objects.filter(feed=feed).update(value=F("value") + 1)
    value = Revision.objects.values_list("value", flat=True).get(feed=feed)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(feed)])
    return value


def current_revision(feed: Feed) -> int:
    """The last committed number of a feed, 0 before the first."""
    return Revision.objects.filter(feed=feed).values_list("value", flat=True).first() or 0


def announce(feed: Feed) -> None:
    """Say that something of a feed changed that has no row of its own."""
    with transaction.atomic():
        next_revision(feed)


Subscriber = Callable[[dict[Feed, int]], None]


class ChangeFeed:
    """One thread a process. Subscribers run in it with {feed: new revision}; they must return at once.

    >>> feed = ChangeFeed(); feed.subscribe(wake); feed.start(); ...; feed.stop()
    """

    def __init__(self) -> None:
        self._subscribers: list[Subscriber] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="change-feed", daemon=True)
        self._seen: dict[Feed, int] = {}
        self._lock = threading.Lock()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` on every change from now on; the answer ends it."""
        with self._lock:
            self._subscribers = [*self._subscribers, subscriber]

        def unsubscribe() -> None:
            with self._lock:
                self._subscribers = [s for s in self._subscribers if s is not subscriber]

        return unsubscribe

    def start(self) -> None:
        """Begin; changes committed before are not told."""
        self._seen = self._read()
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _read(self) -> dict[Feed, int]:
        return {Feed(feed): value for feed, value in Revision.objects.values_list("feed", "value")}

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._watch()
            except Exception:
                # The database may be restarting: say so, and go on with a fresh connection.
                logger.exception("change feed lost the database")
                connections["default"].close()
                self._stop.wait(1)
        connections["default"].close()

    def _watch(self) -> None:
        wait = self._wait_postgresql if connection.vendor == "postgresql" else self._wait_sqlite
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
        while not self._stop.is_set():
            self._tell()
            wait()

    def _tell(self) -> None:
        now = self._read()
        moved = {feed: value for feed, value in now.items() if self._seen.get(feed) != value}
        self._seen = now
        if not moved:
            return
        for subscriber in self._subscribers:
            try:
                subscriber(moved)
            except Exception:
                logger.exception("a subscriber of the change feed failed")

    def _wait_sqlite(self) -> None:
        deadline = time.monotonic() + SAFETY_POLL_SECONDS
        before = self._data_version()
        while not self._stop.wait(POLL_SECONDS) and time.monotonic() < deadline:
            if self._data_version() != before:
                return

    @staticmethod
    def _data_version() -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA data_version")
            return int(cursor.fetchone()[0])

    @staticmethod
    def _wait_postgresql() -> None:
        raw = connection.connection
        for _ in raw.notifies(timeout=SAFETY_POLL_SECONDS, stop_after=1):
            pass
