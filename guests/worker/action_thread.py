"""Operations of one host: one thread looks at the queue, each operation runs in a thread of its own.

One operation at a time runs on a guest, or on what an operation of the host is about; one that only waits for its
guest lets others pass, and a later one may replace it. At most LANES of them talk to libvirt at the same time, each
over a connection that is its own meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError
from django.utils import translation
from django.utils.translation import gettext as _

from guests.errors import HypervisorError, HypervisorUnreachable
from guests.hypervisor.connection import Connection, open_connection
from guests.inventory.leases import LeaseLost
from guests.operations.abandoned_uploads import cancel_abandoned
from guests.operations.host_kinds import HostOperationKind, kind_of
from guests.operations.host_starts import start_what_is_due
from guests.operations.kinds import OperationKind
from guests.operations.models import Operation, OperationState
from guests.operations.running import Outcome, RunningOperation, claim, end_operation, run_operation
from guests.operations.settling import mark_abandoned, settle_unknown
from guests.resources import GuestEvent
from guests.worker.database import database_work, with_own_connection
from guests.worker.host_thread import WokenThread
from guests.worker.lanes import Lane, Lanes

if TYPE_CHECKING:
    from guests.worker.host_service import HostService

logger = logging.getLogger(__name__)

UNDER_WAY_AT_ONCE = 64
SAFETY_SECONDS = 5.0
UPLOADS_SECONDS = 60.0
NO_GUEST = UUID(int=1)  # no event is ever told of it


class ActionThread(WokenThread):
    """The queue of one host, served over a connection of its own (the test driver's is shared: its state is in it).

    What is under way when it is stopped is left to the next worker.
    """

    about = "actions"

    def __init__(self, service: HostService) -> None:
        super().__init__(service)
        self._lock = threading.Lock()
        self._busy: set[UUID | str] = set()  # guests, and what of the host, on which an operation runs
        self._waiting: dict[UUID | str, list[RunningOperation]] = {}  # operations that wait for their guest
        self._under_way = 0
        self._lanes = Lanes(self._open)
        self._unsettled = True
        self._uploads_at = 0.0  # monotonic time when abandoned uploads are looked for

    def _open(self) -> Connection:
        return open_connection(self._service.uri)

    def _lane(self) -> Lane:
        return Lane(self._lanes, self._service.connection)

    def _run(self) -> None:
        abandoned_marked = False
        while not self._stopped:
            seconds = SAFETY_SECONDS
            try:
                with database_work():
                    if not abandoned_marked:
                        mark_abandoned(self._service.lease)
                        abandoned_marked = True
                    self._settle()
                    if self._service.is_up:
                        self._cancel_abandoned()
                        seconds = min(seconds, start_what_is_due(self._service.lease) or seconds)
                    self._dispatch()
            except LeaseLost:
                self._service.lose_lease()
                return
            except HypervisorError as error:
                logger.info("host %s: %s", self._service.name, error.detail or error)
            except DatabaseError:
                logger.exception("the queue of host %s could not be read", self._service.name)
            self._wake.wait(seconds)
            self._wake.clear()
        self._lanes.close()

    def _settle(self) -> None:
        """Once the host is up: be ready to act, and ask it what came of operations that nobody saw end."""
        lane = self._lane()
        try:
            lane.connect()
            if self._unsettled:
                self._unsettled = False
                left = settle_unknown(self._service.lease, lane.connect, self._service.inventory)
                self._unsettled = self._unsettled or bool(left)
        except HypervisorUnreachable:
            self._unsettled = True
        finally:
            lane.release()

    def _cancel_abandoned(self) -> None:
        """At the worker's start, and every minute: uploads that nobody goes on with."""
        now = time.monotonic()
        if now >= self._uploads_at:
            self._uploads_at = now + UPLOADS_SECONDS
            cancel_abandoned(self._service.lease)

    def _dispatch(self) -> None:
        """Start what can be started. While the host was never reached yet, operations stay in the queue."""
        queued = (
            Operation.objects.filter(host_id=self._service.lease.host_id, state=OperationState.QUEUED)
            .select_related("guest__host", "host", "asked_by", "asked_with__user")
            .order_by("asked_at")
        )
        blocked: set[UUID | str] = set()
        for operation in queued:
            if self._stopped:
                return
            if kind_of(operation) is None:
                continue  # of a newer version: its worker will know
            if operation.cancel_asked:
                self._cancel(operation)
                continue
            subject = _subject(operation)
            if not self._is_ready() or subject in blocked or not self._begin(operation):
                blocked.add(subject)  # what was asked first runs first

    def _is_ready(self) -> bool:
        """Whether an operation would get an answer: the host is up, or known not to be."""
        return self._service.is_up or self._service.is_down

    def _cancel(self, operation: Operation) -> None:
        with translation.override(operation.language or settings.LANGUAGE_CODE):
            end_operation(
                self._service.lease,
                operation,
                Outcome(OperationState.FAILED, _("Cancelled before it began: nothing was changed.")),
            )

    def _begin(self, operation: Operation) -> bool:
        subject = _subject(operation)
        with self._lock:
            if subject in self._busy or self._under_way >= UNDER_WAY_AT_ONCE:
                return False
            self._busy.add(subject)
            self._under_way += 1
        started = False
        try:
            if started := claim(self._service.lease, operation):
                threading.Thread(
                    target=with_own_connection(self._run_one),
                    args=(operation,),
                    name=f"operation-{operation.pk}",
                    daemon=True,
                ).start()
        finally:
            if not started:
                with self._lock:
                    self._busy.discard(subject)
                    self._under_way -= 1
        return started

    def _run_one(self, operation: Operation) -> None:
        running = RunningOperation(self._service.lease, operation, on_waiting=lambda: self._let_pass(running))
        lane = self._lane()
        try:
            self._replace_waiting(running)
            with self._service.watchers.watching(operation.guest.uuid if operation.guest else NO_GUEST) as next_event:

                def wait(seconds: float) -> GuestEvent | None:
                    lane.release()
                    return next_event(seconds)

                state = run_operation(running, connect=lane.connect, inventory=self._service.inventory, next_event=wait)
            if state == OperationState.UNKNOWN:
                self._unsettled = True
        except LeaseLost:
            self._service.lose_lease()
        except Exception:
            # A defect or a database that went away: never leave an operation that seems to run.
            logger.exception("operation %s failed", operation.pk)
            self._end_as_unknown(running)
        finally:
            lane.release()
            self._end(running)
            self.wake()

    def _let_pass(self, running: RunningOperation) -> None:
        """The operation only waits for its guest from here on."""
        subject = _subject(running.operation)
        with self._lock:
            self._busy.discard(subject)
            self._waiting.setdefault(subject, []).append(running)
        self.wake()

    def _replace_waiting(self, running: RunningOperation) -> None:
        guest, kind = running.operation.guest, kind_of(running.operation)
        if guest is None or not isinstance(kind, OperationKind):
            return
        with self._lock:
            replaced = [
                waiting for waiting in self._waiting.get(guest.pk, []) if waiting.operation.kind in kind.replaces
            ]
            for waiting in replaced:
                waiting.replaced = True
        if replaced:
            self._service.watchers.interrupt(guest.uuid)

    def _end(self, running: RunningOperation) -> None:
        subject = _subject(running.operation)
        with self._lock:
            self._under_way -= 1
            waiting = self._waiting.get(subject, [])
            if running in waiting:
                waiting.remove(running)
                if not waiting:
                    del self._waiting[subject]
                return
            self._busy.discard(subject)

    def _end_as_unknown(self, running: RunningOperation) -> None:
        message = _("Guesthouse failed while it ran this: the host will be asked what came of it.")
        try:
            running.end(Outcome(OperationState.UNKNOWN, message, settled=False))
            self._unsettled = True
        except (DatabaseError, LeaseLost):
            logger.exception("the end of operation %s could not be written", running.operation.pk)


def _subject(operation: Operation) -> UUID | str:
    """What one operation at a time may change."""
    kind = kind_of(operation)
    about = kind.about(operation.parameters) if isinstance(kind, HostOperationKind) else ""
    return operation.guest_id or about or str(operation.pk)
