"""Pictures of the guests of one host, for as long as somebody looks at them.

A screenshot asks QEMU itself, and one that hangs holds the call up for half a minute or for ever: so pictures have a
connection of their own, each is waited for at most DEADLINE_SECONDS, and one that does not come back is left behind
with its connection. Nothing of this delays a tick, an event or an operation.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from guests.errors import HypervisorError, HypervisorUnreachable, NotSupported
from guests.hypervisor.attempts import Attempt
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.screenshots import GuestHangs, NoScreen, take_screenshot
from guests.inventory.leases import LeaseLost
from guests.inventory.pictures import (
    Looked,
    Problem,
    forget_pictures,
    guests_looked_at,
    is_unchanged,
    store_picture,
    store_problem,
)
from guests.worker.database import database_work, with_own_connection
from guests.worker.scaling import NoImage, scaled

if TYPE_CHECKING:
    from guests.worker.host_service import HostService

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 5.0
MOST_LEFT_BEHIND = 3
SHARE = 20  # a host spends at most one part in so many on a guest's pictures: a large screen takes long
IDLE_SECONDS = 300.0
# How long until the next attempt; vdsm's 40 s for a guest that hangs is no multiple of other periods.
AGAIN_SECONDS = {
    Problem.UNSUPPORTED: 600.0,
    Problem.NO_SCREEN: 60.0,
    Problem.HANGS: 40.0,
    Problem.FAILED: 30.0,
}


class PictureThread:
    """The camera of one host. The test driver is asked over the shared connection: its state is in it."""

    def __init__(self, service: HostService) -> None:
        self._service = service
        self._wake = threading.Event()
        self._stopped = False
        self._connection: Connection | None = None
        self._slots = threading.Semaphore(MOST_LEFT_BEHIND + 1)
        self._left_behind: list[tuple[Attempt[bytes], Connection]] = []
        self._next: dict[UUID, float] = {}  # guest → monotonic time of its next picture
        self._thread = threading.Thread(
            target=with_own_connection(self._run), name=f"pictures-{service.name}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Somebody looks at a guest of this host."""
        self._wake.set()

    def stop(self) -> None:
        """Take nothing more."""
        self._stopped = True
        self._wake.set()

    def join(self, seconds: float) -> bool:
        """Whether the thread ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopped:
            seconds = IDLE_SECONDS
            try:
                with database_work():
                    seconds = self._round()
            except LeaseLost:
                self._service.lose_lease()
                return
            except DatabaseError:
                logger.exception("the pictures of host %s could not be written", self._service.name)
                seconds = 1.0
            self._wake.wait(seconds)
            self._wake.clear()
        self._let_go()

    def _round(self) -> float:
        """A picture of every guest that is due; answers in how many seconds the next one is."""
        self._close_those_that_came_back()
        wanted = guests_looked_at(self._service.lease.host_id) if self._service.is_up else []
        if not wanted:
            self._let_go()
            self._next.clear()
            forget_pictures(self._service.lease)
            return IDLE_SECONDS
        self._next = {guest.id: self._next.get(guest.id, 0.0) for guest in wanted}
        for guest in wanted:
            if len(self._left_behind) > MOST_LEFT_BEHIND:
                return 1.0
            if self._stopped:
                break
            if self._next[guest.id] <= time.monotonic():
                self._take(guest)
        return max(0.05, min(self._next.values()) - time.monotonic())

    def _take(self, guest: Looked) -> None:
        began = time.monotonic()
        problem = self._try(guest)
        now = time.monotonic()
        pause = AGAIN_SECONDS.get(problem, max(settings.PICTURE_SECONDS, (now - began) * SHARE))
        self._next[guest.id] = now + pause
        if problem is not Problem.NONE:
            store_problem(self._service.lease, guest, problem)

    def _try(self, guest: Looked) -> Problem:
        """Take and store one picture; what went wrong."""
        try:
            screen = self._screen_of(guest.uuid)
            digest = hashlib.sha256(screen).hexdigest()[:32]
            if not is_unchanged(self._service.lease, guest, digest):
                store_picture(self._service.lease, guest, digest, scaled(screen))
        except NoScreen:
            return Problem.NO_SCREEN
        except NotSupported:
            return Problem.UNSUPPORTED
        except (TimeoutError, GuestHangs):
            return Problem.HANGS
        except HypervisorUnreachable as error:
            self._let_go()
            logger.info("no pictures of host %s: %s", self._service.name, error.detail or error)
            return Problem.FAILED
        except (HypervisorError, NoImage) as error:
            logger.info("no picture of guest %s: %s", guest.uuid, getattr(error, "detail", "") or error)
            return Problem.FAILED
        return Problem.NONE

    def _screen_of(self, uuid: UUID) -> bytes:
        """What the guest shows; TimeoutError when the call was left behind."""
        connection = self._connect()
        if "screenshot" in connection.lacks:
            raise NotSupported("screenshot")
        self._slots.acquire()  # never waits: `_round` counts those that were left behind
        attempt = Attempt(lambda: take_screenshot(connection, uuid), lambda _screen: None, self._slots)
        try:
            return attempt.wait(DEADLINE_SECONDS)
        except TimeoutError:
            logger.info("guest %s did not give a picture within %d s", uuid, DEADLINE_SECONDS)
            if connection is self._connection:
                self._left_behind.append((attempt, connection))
                self._connection = None
            raise
        except NoScreen:
            raise
        except NotSupported:
            connection.lacks.add("screenshot")
            raise

    def _connect(self) -> Connection:
        read = self._service.connection()
        if read.is_test:
            return read
        if self._connection is None or not self._connection.is_alive():
            self._let_go()
            self._connection = open_connection(
                self._service.uri,
                deadline_s=settings.OPEN_DEADLINE_SECONDS,
                keepalive=(settings.KEEPALIVE_INTERVAL_SECONDS, settings.KEEPALIVE_COUNT),
            )
        return self._connection

    def _let_go(self) -> None:
        """Close the connection; no call is under way on it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _close_those_that_came_back(self) -> None:
        over = [(attempt, connection) for attempt, connection in self._left_behind if attempt.is_over]
        self._left_behind = [entry for entry in self._left_behind if entry not in over]
        for _attempt, connection in over:
            connection.close()
