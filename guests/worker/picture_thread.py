"""Pictures of the guests of one host, for as long as somebody looks at them.

A screenshot asks QEMU itself, and one that hangs holds the call up for half a minute or for ever: so these calls are
`OwnCalls`. Nothing of this delays a tick, an event or an operation.
"""

from __future__ import annotations

import hashlib
import logging
import time
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings

from guests.errors import HypervisorError, HypervisorUnreachable, NotSupported
from guests.hypervisor.screenshots import GuestHangs, NoScreen, take_screenshot
from guests.inventory.looking import Looked
from guests.inventory.pictures import (
    Problem,
    forget_pictures,
    guests_looked_at,
    is_unchanged,
    store_picture,
    store_problem,
)
from guests.inventory.scaling import NoImage, scaled
from guests.worker.host_thread import HostThread

if TYPE_CHECKING:
    from guests.worker.host_service import HostService

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 5.0
SHARE = 20  # a host spends at most one part in so many on a guest's pictures: a large screen takes long
IDLE_SECONDS = 300.0
# How long until the next attempt; vdsm's 40 s for a guest that hangs is no multiple of other periods.
AGAIN_SECONDS = {
    Problem.UNSUPPORTED: 600.0,
    Problem.NO_SCREEN: 60.0,
    Problem.HANGS: 40.0,
    Problem.FAILED: 30.0,
}


class PictureThread(HostThread):
    """The camera of one host."""

    about = "pictures"

    def __init__(self, service: HostService) -> None:
        super().__init__(service)
        self._next: dict[UUID, float] = {}  # guest → monotonic time of its next picture

    def _round(self) -> float:
        """A picture of every guest that is due; answers in how many seconds the next one is."""
        self._calls.close_those_that_came_back()
        wanted = guests_looked_at(self._service.lease.host_id) if self._service.is_up else []
        if not wanted:
            self._calls.let_go()
            self._next.clear()
            forget_pictures(self._service.lease)
            return IDLE_SECONDS
        self._next = {guest.id: self._next.get(guest.id, 0.0) for guest in wanted}
        for guest in wanted:
            if self._calls.are_too_many:
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
            self._calls.let_go()
            logger.info("no pictures of host %s: %s", self._service.name, error.detail or error)
            return Problem.FAILED
        except (HypervisorError, NoImage) as error:
            logger.info("no picture of guest %s: %s", guest.uuid, getattr(error, "detail", "") or error)
            return Problem.FAILED
        return Problem.NONE

    def _screen_of(self, uuid: UUID) -> bytes:
        """What the guest shows; TimeoutError when the call was left behind."""
        connection = self._calls.connect()
        if "screenshot" in connection.lacks:
            raise NotSupported("screenshot")
        try:
            return self._calls.within(DEADLINE_SECONDS, lambda c: take_screenshot(c, uuid))
        except TimeoutError:
            logger.info("guest %s did not give a picture within %d s", uuid, DEADLINE_SECONDS)
            raise
        except NoScreen:
            raise
        except NotSupported:
            connection.lacks.add("screenshot")
            raise
