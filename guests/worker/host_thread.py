"""Threads of one host's service that wait, and are woken; those that do rounds have connections of their own
(`OwnCalls`).
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from django.db import DatabaseError

from guests.errors import HypervisorError
from guests.inventory.leases import LeaseLost
from guests.worker.database import database_work, with_own_connection
from guests.worker.own_calls import MOST_LEFT_BEHIND, OwnCalls

if TYPE_CHECKING:
    from guests.worker.host_service import HostService

logger = logging.getLogger(__name__)

AFTER_REFUSAL_SECONDS = 40.0  # vdsm's, for a guest that hangs: no multiple of other periods
UNWRITTEN_SECONDS = 1.0


class WokenThread(ABC):
    """One of them; it is a daemon: a call that hangs in libvirt never holds up the end of the process."""

    about: ClassVar[str]  # what it does, in its name and in the log

    def __init__(self, service: HostService) -> None:
        self._service = service
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(
            target=with_own_connection(self._run), name=f"{self.about}-{service.name}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def stop(self) -> None:
        """Begin nothing more; what is under way is left behind."""
        self._stopped = True
        self._wake.set()

    def join(self, seconds: float) -> bool:
        """Whether the thread ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @abstractmethod
    def _run(self) -> None:
        """Until it is stopped."""


class HostThread(WokenThread):
    """One that reads, in rounds."""

    most_left_behind: ClassVar[int] = MOST_LEFT_BEHIND

    def __init__(self, service: HostService) -> None:
        super().__init__(service)
        self._calls = OwnCalls(service, self.most_left_behind)

    @abstractmethod
    def _round(self) -> float:
        """Do what is due; answers in how many seconds the next is. May raise HypervisorError and LeaseLost."""

    def _pause(self, seconds: float) -> None:
        """Until the next round."""
        self._wake.wait(seconds)
        self._wake.clear()

    @property
    def _refused_seconds(self) -> float:
        """How long until the next round after the host refused one."""
        return AFTER_REFUSAL_SECONDS

    def _failed(self, seconds: float) -> float:
        """A round did not come to its end, and the next is in so many seconds."""
        return seconds

    def _run(self) -> None:
        while not self._stopped:
            try:
                with database_work():
                    seconds = self._round()
            except LeaseLost:
                self._service.lose_lease()
                return
            except HypervisorError as error:
                logger.info("the %s of host %s: not read: %s", self.about, self._service.name, error.detail or error)
                self._calls.let_go()
                seconds = self._failed(self._refused_seconds)
            except DatabaseError:
                logger.exception("the %s of host %s could not be written", self.about, self._service.name)
                seconds = self._failed(UNWRITTEN_SECONDS)
            self._pause(seconds)
        self._calls.let_go()
