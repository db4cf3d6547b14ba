"""The addresses of the guests of one host, for as long as somebody looks at their pages."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings

from guests.errors import HypervisorError, HypervisorUnreachable, NotSupported
from guests.hypervisor.addresses import AgentSilent, read_addresses
from guests.inventory.addresses import AddressProblem, guests_wanted, keep_addresses
from guests.inventory.looking import Looked
from guests.resources import AddressSource, GuestAddress
from guests.worker.host_thread import HostThread

if TYPE_CHECKING:
    from guests.worker.host_service import HostService

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 6.0  # libvirt itself waits 5 s for an agent's first word
IDLE_SECONDS = 300.0
# How long until the next attempt. An agent that took a question and did not come back is asked no more in that life of
# its guest: each question would keep another thread of libvirtd busy.
AGAIN_SECONDS = {
    AddressProblem.ABSENT: 600.0,
    AddressProblem.SILENT: 60.0,
    AddressProblem.FAILED: 60.0,
    AddressProblem.HANGS: float("inf"),
}

_Asked = tuple[UUID, int | None, AddressSource]  # guest, its life, source


class AddressThread(HostThread):
    """Asks each source of each guest at its own pace."""

    about = "addresses"

    def __init__(self, service: HostService) -> None:
        super().__init__(service)
        self._next: dict[_Asked, float] = {}  # monotonic time

    def _round(self) -> float:
        """Ask what is due; answers in how many seconds the next is."""
        self._calls.close_those_that_came_back()
        wanted = guests_wanted(self._service.lease.host_id) if self._service.is_up else []
        if not wanted:
            self._calls.let_go()
            return IDLE_SECONDS
        asked = {(guest.id, guest.domain_id, source): guest for guest in wanted for source in AddressSource}
        hung = {key: at for key, at in self._next.items() if at == float("inf")}  # also while nobody looks
        self._next = hung | {key: self._next.get(key, 0.0) for key in asked}
        for key, guest in asked.items():
            if self._stopped or self._calls.are_too_many:
                break
            if self._next[key] <= time.monotonic():
                problem = self._ask(guest, key[2])
                self._next[key] = time.monotonic() + AGAIN_SECONDS.get(problem, settings.ADDRESS_SECONDS)
        return min(IDLE_SECONDS, max(1.0, min(self._next[key] for key in asked) - time.monotonic()))

    def _ask(self, guest: Looked, source: AddressSource) -> AddressProblem:
        """One source of one guest; what went wrong."""
        found: tuple[GuestAddress, ...] = ()
        problem = AddressProblem.NONE
        try:
            found = self._calls.within(DEADLINE_SECONDS, lambda c: read_addresses(c, guest.uuid, source))
        except TimeoutError:
            problem = AddressProblem.HANGS
        except NotSupported:
            problem = AddressProblem.ABSENT
        except AgentSilent:
            problem = AddressProblem.SILENT
        except HypervisorUnreachable as error:
            self._calls.let_go()
            logger.info("no addresses of host %s: %s", self._service.name, error.detail or error)
            return AddressProblem.FAILED
        except HypervisorError as error:
            logger.info("no addresses of guest %s: %s", guest.uuid, error.detail or error)
            problem = AddressProblem.FAILED
        keep_addresses(self._service.lease, guest, source, found, problem)
        return problem
