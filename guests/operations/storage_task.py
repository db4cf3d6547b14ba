"""What operations on pools and volumes have in common: the rows they are about, a connection that nobody else waits
for, and the pool read again at the end. A pool whose storage hangs holds up only what is asked of it.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from guests.errors import HypervisorError, OperationRefused, StorageNotFound
from guests.hypervisor.attempts import Attempt
from guests.hypervisor.connection import Connection
from guests.hypervisor.pools import get_pool
from guests.hypervisor.volumes import get_volume
from guests.inventory.changes import Feed, current_revision
from guests.inventory.storage import Pool, PoolProblem, Volume, keep_pool, lose_pool
from guests.operations.asked_thread import AskedThread
from guests.operations.facts import Facts
from guests.operations.host_kinds import HostTask

logger = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")  # of what we make; what others made may be called anything
MOST_BYTES = 64 * 1024**4
LOOK_SECONDS = 1.0
TELL_SECONDS = 8.0


def refuse_name(name: object) -> str:
    """A name that something new may have; OperationRefused for any other."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        text = _("A name has letters, digits, dots, dashes and underscores, begins with a letter or digit, at most 63.")
        raise OperationRefused(text, field="name")
    return name


def refuse_size(size: object, field: str = "capacity") -> int:
    """A number of bytes that a volume may have."""
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= MOST_BYTES:
        raise OperationRefused(_("Give a size between 1 byte and 64 TiB."), field=field)
    return size


def pool_of(task: HostTask, name: str = "pool") -> Pool:
    """The pool that a parameter names by its UUID; OperationRefused where it is not to be worked with now."""
    row = Pool.objects.filter(host=task.host, uuid=UUID(str(task.parameters[name]))).first()
    if row is None:
        raise OperationRefused(_("The host does not have this pool any more."))
    if row.problem == PoolProblem.HANGS:
        raise OperationRefused(_("The storage of %(pool)s does not answer.") % {"pool": row.name})
    return row


def volume_of(task: HostTask) -> Volume:
    """The volume that the parameters name."""
    pool = pool_of(task)
    row = Volume.objects.filter(pool=pool, name=str(task.parameters["volume"])).select_related("pool__host").first()
    if row is None:
        raise OperationRefused(_("The pool does not have this volume any more."))
    return row


@contextmanager
def at_pools(task: HostTask, *pools: Pool) -> Iterator[Connection]:
    """A connection of the operation's own; the pools are read again when the block ends, however."""
    with task.own_connection() as connection:
        try:
            yield connection
        finally:
            for pool in pools:
                read_pool_again(task, connection, pool.uuid)


def read_pool_again(task: HostTask, connection: Connection, uuid: UUID) -> None:
    """Bring a pool's rows up to date."""
    for _attempt in range(3):
        since = current_revision(Feed.INVENTORY)
        try:
            if keep_pool(task.inventory.lease, get_pool(connection, uuid), since):
                return
        except StorageNotFound:
            lose_pool(task.inventory.lease, uuid)
            return
        except HypervisorError as error:
            logger.info("pool %s could not be read again: %s", uuid, error.detail or error)
            return


def lasting(task: HostTask, call: Callable[[], object], look: Callable[[Connection], tuple[int, int] | None]) -> None:
    """Run what lasts in a thread, and tell its progress: `look` answers how far it came, of how much, in bytes."""
    thread = AskedThread(call, f"storage-{task.host.name}")
    thread.join(LOOK_SECONDS)
    if thread.is_alive():
        with task.own_connection() as connection:
            _tell_until_over(task, thread, connection, look)
    thread.finish()


def _tell_until_over(
    task: HostTask,
    thread: AskedThread,
    connection: Connection,
    look: Callable[[Connection], tuple[int, int] | None],
) -> None:
    before: tuple[float, int] | None = None
    while thread.is_alive():
        try:
            seen = look(connection)
        except HypervisorError:
            seen = None  # the call itself tells what is wrong
        if seen is not None:
            now = time.monotonic()
            rate = round((seen[0] - before[1]) / (now - before[0])) if before and now > before[0] else None
            before = (now, seen[0])
            task.progress.under_way(*seen, rate=rate if rate and rate > 0 else None)
        thread.join(LOOK_SECONDS)


def volume_reached(task: HostTask, name: str, *, there: bool) -> bool | None:
    """Whether a volume is there (or not) as wanted; None where the host does not tell in time."""

    def look() -> bool:
        with task.own_connection() as connection:
            try:
                get_volume(connection, UUID(str(task.parameters["pool"])), name)
            except StorageNotFound:
                return False
            return True

    attempt = Attempt(look, lambda _answer: None, threading.Semaphore())
    try:
        return attempt.wait(TELL_SECONDS) is there
    except TimeoutError:
        return None


def pool_facts(task: HostTask) -> Facts:
    """What the record says of a pool before and after."""
    wanted = task.parameters
    known = Pool.objects.filter(host=task.host)
    pool = (
        known.filter(uuid=UUID(str(wanted["pool"]))) if "pool" in wanted else known.filter(name=str(wanted.get("name")))
    ).first()
    if pool is None:
        return {"there": False}
    stands = {"active": pool.active, "autostart": pool.autostart, "path": pool.path}
    return {"there": True, **stands, "volumes": pool.volumes.count()}


def volume_facts(task: HostTask) -> Facts:
    """What the record says of a volume before and after: of the one that is made, where one is."""
    wanted = task.parameters
    pool, name = str(wanted.get("to_pool") or wanted["pool"]), str(wanted.get("name") or wanted.get("volume"))
    volume = Volume.objects.filter(pool__host=task.host, pool__uuid=UUID(pool), name=name).first()
    if volume is None:
        return {"there": False}
    sizes = {"capacity_bytes": volume.capacity_bytes, "allocation_bytes": volume.allocation_bytes}
    return {"there": True, "format": volume.format, **sizes}


def words_of(parameters: dict[str, Any]) -> str:
    """What an operation is about: "images/web-1.qcow2"."""
    parts = [parameters.get("pool_name"), parameters.get("volume") or parameters.get("name")]
    return "/".join(str(part) for part in parts if part)
