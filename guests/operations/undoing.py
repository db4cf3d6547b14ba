"""An operation that made several things, and whose end nobody saw: its volumes are taken away again.

Only what it had written down (`half_made`), and only what nobody uses. A guest that the host knows by then was made:
somebody may have worked with it since, so it stays with all it has.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from guests.errors import GuestNotFound, HypervisorError, HypervisorUnreachable, NotSupported, StorageNotFound
from guests.hypervisor import new_volumes, running_copy
from guests.hypervisor.attempts import Attempt
from guests.hypervisor.connection import Connection
from guests.hypervisor.new_volumes import Place
from guests.hypervisor.pools import get_pool
from guests.hypervisor.reading import get_guest
from guests.hypervisor.volumes import paths_in_use
from guests.inventory.storage import Pool, PoolProblem
from guests.operations.half_made import HalfMade
from guests.operations.host_kinds import HostTask
from guests.operations.models import Operation
from guests.operations.storage_task import read_pool_again
from guests.operations.upload_models import Upload

UNDO_SECONDS = 8.0  # storage that hangs must not hold up what else is asked of the host


@dataclass
class Undone:
    """What came of it."""

    guest: UUID | None = None  # the host knows it: nothing was taken away
    deleted: list[str] = field(default_factory=list)
    remains: list[str] = field(default_factory=list)
    is_over: bool = True  # False: something is still being written, or its storage hangs


def undo(task: HostTask, operation: Operation) -> Undone | None:
    """Take away what an operation without an end had made; None where it had made nothing. Raises HypervisorError."""
    parts = list(HalfMade.objects.filter(operation=operation).order_by("-pk"))
    uploads = set(Upload.objects.filter(pool__host=operation.host).values_list("pool__uuid", "name"))
    volumes = [(part.pool, part.name) for part in parts if part.pool and (part.pool, part.name) not in uploads]
    guests = [UUID(part.name) for part in parts if part.pool is None]
    if not volumes and not guests:
        return None
    pools = {pool for pool, _name in volumes}
    if Pool.objects.filter(host=operation.host, uuid__in=pools, problem=PoolProblem.HANGS).exists():
        return Undone(is_over=False)
    source = operation.guest.uuid if operation.guest else None

    def run() -> Undone:
        with task.own_connection() as connection:
            if guest := next((guest for guest in guests if _is_known(connection, guest)), None):
                return Undone(guest=guest)
            if source is not None and not _has_ended_copies(connection, source, volumes):
                return Undone(is_over=False)
            return _delete(connection, volumes)

    attempt = Attempt(run, lambda _answer: None, threading.Semaphore())
    try:
        undone = attempt.wait(UNDO_SECONDS)
    except TimeoutError:
        return Undone(is_over=False)
    for pool in pools:
        read_pool_again(task, task.connection, pool)
    return undone


def _is_known(connection: Connection, guest: UUID) -> bool:
    try:
        get_guest(connection, guest)
    except GuestNotFound:
        return False
    return True


def _has_ended_copies(connection: Connection, source: UUID, volumes: list[Place]) -> bool:
    """The host goes on copying the disks of a guest that runs when nobody waits for that any more."""
    paths = set()
    for place in volumes:
        with suppress(StorageNotFound):
            paths.add(new_volumes.get_volume(connection, place).path)
    try:
        is_active = get_guest(connection, source).state.is_active
        return not is_active or running_copy.end_copy_into(connection, source, paths)
    except (GuestNotFound, NotSupported):
        return True


def _delete(connection: Connection, volumes: list[Place]) -> Undone:
    undone, used = Undone(), set(paths_in_use(connection))
    for place in volumes:
        try:
            pool, volume = get_pool(connection, place[0]), new_volumes.get_volume(connection, place)
        except StorageNotFound:
            continue
        name = f"{pool.name}/{volume.name}"
        below = {other.backing_path for other in pool.volumes or ()}
        if {volume.path, name} & used or volume.path in below:
            undone.remains.append(name)
            continue
        try:
            new_volumes.delete_volume(connection, place)
        except HypervisorUnreachable:
            raise
        except HypervisorError as error:
            if new_volumes.is_being_written(error):
                undone.is_over = False
            else:
                undone.remains.append(name)
        else:
            undone.deleted.append(name)
    return undone
