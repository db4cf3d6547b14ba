"""A call of libvirt that takes as long as a guest is large: in a thread, its progress told, aborted where wanted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from guests.errors import HypervisorError, OperationRefused
from guests.hypervisor import writing
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.migrating import is_aborted, job_progress
from guests.operations.asked_thread import AskedThread
from guests.operations.kinds import Task

LOOK_SECONDS = 1.0
QUICK_SECONDS = 0.3  # what takes no longer is not looked at


@contextmanager
def own_connection(task: Task) -> Iterator[Connection]:
    """One that nobody else needs meanwhile. The state of a host of the test driver is in its only connection."""
    if task.connection.is_test:
        yield task.connection
        return
    connection = open_connection(task.row.host.uri)
    try:
        yield connection
    finally:
        connection.close()


class Aborted(OperationRefused):
    """It ended because the asker wanted that."""


def run_long_call(task: Task, call: Callable[[], object], *, tell: Callable[[], None] | None = None) -> None:
    """Run `call`, which must use a connection that nobody else needs meanwhile. Raises what it raised, or Aborted.

    `tell` says how far it came, where that is not a job of the guest.
    """
    thread = AskedThread(call, f"long-call-{task.uuid}")
    aborted, speed = False, _Speed()
    thread.join(QUICK_SECONDS)
    while thread.is_alive():
        task.next_event(LOOK_SECONDS)
        if not thread.is_alive():
            break
        if not aborted and task.progress.is_cancelled():
            aborted = _abort(task)
        if tell is None:
            _tell(task, speed)
        else:
            tell()
    try:
        thread.finish()
    except HypervisorError as error:
        if is_aborted(error) and task.progress.is_cancelled():
            raise Aborted(str(error), detail=error.detail) from error
        raise


def _abort(task: Task) -> bool:
    try:
        writing.abort_job(task.connection, task.uuid)
    except HypervisorError:
        return False  # between its phases there is nothing to abort: asked again in a second
    return True


@dataclass
class _Speed:
    """Bytes a second between two looks: libvirt tells none while disks are copied."""

    done: int = 0
    at: float = 0.0

    def of(self, done: int) -> int | None:
        now = time.monotonic()
        rate = int((done - self.done) / (now - self.at)) if self.at and done > self.done else None
        self.done, self.at = done, now
        return rate


def _tell(task: Task, speed: _Speed) -> None:
    try:
        progress = job_progress(task.connection, task.uuid)
    except HypervisorError:
        return  # the long call itself tells what is wrong
    if progress is not None:
        own = speed.of(progress.done_bytes)
        task.progress.under_way(progress.done_bytes, progress.total_bytes, progress.rate or own)
