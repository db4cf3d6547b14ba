"""Volumes: made, grown, copied, deleted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.access import Action
from guests.errors import OperationRefused
from guests.hypervisor import volumes as writing
from guests.hypervisor.connection import Connection
from guests.hypervisor.pools import get_pool
from guests.inventory.storage import Pool, Volume, keep_format, looks_otherwise
from guests.inventory.volume_uses import overlays_of, twins_of, uses_of, uses_on
from guests.operations.given_volumes import claim_key, is_promised
from guests.operations.half_made import making
from guests.operations.host_kinds import HostOperationKind, HostTask, register_host
from guests.operations.models import OperationState, VolumeClaim
from guests.operations.storage_task import (
    at_pools,
    lasting,
    pool_of,
    refuse_name,
    refuse_size,
    volume_facts,
    volume_of,
    volume_reached,
    words_of,
)

FILES = {"dir", "fs", "netfs", "gluster", "vstorage"}  # kinds of pools whose volumes are files
MADE_HERE = FILES | {"logical", "rbd", "zfs", "disk"}  # kinds in which libvirt makes volumes


def formats_in(pool: Pool) -> tuple[str, ...]:
    """What a new volume of a pool can be; empty where none can be made."""
    if pool.kind not in MADE_HERE:
        return ()
    return ("qcow2", "raw") if pool.kind in FILES else ("raw",)


def is_always_whole(pool: Pool) -> bool:
    """Whether its volumes take their space when they are made."""
    return pool.kind in {"logical", "disk"}


def _make(task: HostTask) -> dict[str, Any]:
    pool = pool_of(task)
    name, capacity = refuse_name(task.parameters.get("name")), refuse_size(task.parameters.get("capacity_bytes"))
    format, whole = task.parameters.get("format"), bool(task.parameters.get("whole")) or is_always_whole(pool)
    if format not in formats_in(pool):
        raise OperationRefused(_("Volumes of this pool cannot have this format."), field="format")
    if whole and capacity > pool.available_bytes:
        raise OperationRefused(_("The pool has less space than that."), field="capacity")
    refuse_taken(pool, name)
    with at_pools(task, pool) as connection:
        task.progress.sending()
        lasting(
            task,
            lambda: writing.create_volume(connection, pool.uuid, name, format, capacity, whole=whole),
            lambda other: _far(other, pool.uuid, name, capacity) if whole else None,
        )
        keep_format(task.inventory.lease, pool.uuid, name, format)
    return _after(pool, name)


def _grow(task: HostTask) -> dict[str, Any]:
    volume, capacity = volume_of(task), refuse_size(task.parameters.get("capacity_bytes"))
    with at_pools(task, volume.pool) as connection:
        now = writing.get_volume(connection, volume.pool.uuid, volume.name)
        if task.before.get("capacity_bytes", now.capacity_bytes) != now.capacity_bytes:
            raise OperationRefused(_("This changed since you opened the form."), field="capacity")
        if capacity <= now.capacity_bytes:
            raise OperationRefused(_("A volume can only grow: what is in it would be cut off."), field="capacity")
        if looks_otherwise(volume.format, now.format):
            raise OperationRefused(_("Its content looks like another format than it has: it is not touched."))
        if running := [use.guest_name for use in uses_of(volume, uses_on(task.host)) if use.now]:
            text = _("%(guests)s has it open: grow the disk of the guest instead.")
            raise OperationRefused(text % {"guests": ", ".join(sorted(set(running)))})
        if overlays_of(volume):
            raise OperationRefused(_("Other volumes keep only their differences to it: it has to stay as it is."))
        task.progress.sending()
        writing.grow_volume(connection, volume.pool.uuid, volume.name, capacity)
    return _after(volume.pool, volume.name)


def _clone(task: HostTask) -> dict[str, Any]:
    volume, target, name = volume_of(task), pool_of(task, "to_pool"), refuse_name(task.parameters.get("name"))
    pool = volume.pool
    if volume.format not in formats_in(target):
        raise OperationRefused(_("Volumes of that pool cannot have this format."), field="to_pool")
    refuse_taken(target, name)
    with at_pools(task, target) as connection:
        now = writing.get_volume(connection, pool.uuid, volume.name)
        # libvirt copies what it takes a volume to be: never by a format that a guest could have written into it.
        if looks_otherwise(volume.format, now.format):
            raise OperationRefused(_("Its content looks like another format than it has: it is not copied."))
        if now.backing_path and not Volume.objects.filter(pool__host=task.host, path=now.backing_path).exists():
            raise OperationRefused(_("It is over a file that is in no pool of this host: it is not copied."))
        if running := [use.guest_name for use in uses_of(volume, uses_on(task.host)) if use.now and not use.shareable]:
            text = _("%(guests)s writes into it: shut it down first, or clone the guest.")
            raise OperationRefused(text % {"guests": ", ".join(sorted(set(running)))})
        if now.allocation_bytes > target.available_bytes:
            raise OperationRefused(_("The pool has less space than that."), field="to_pool")
        task.progress.sending()
        with making(task.progress, connection, (target.uuid, name)):
            lasting(
                task,
                lambda: writing.clone_volume(
                    connection, pool.uuid, volume.name, target.uuid, name, volume.format, whole=is_always_whole(target)
                ),
                lambda other: _far(other, target.uuid, name, now.allocation_bytes),
            )
        keep_format(task.inventory.lease, target.uuid, name, volume.format)
    return _after(target, name)


def _delete(task: HostTask) -> dict[str, Any]:
    volume = volume_of(task)
    with at_pools(task, volume.pool) as connection:
        refuse_used(task, connection, volume)
        task.progress.sending()
        writing.delete_volume(connection, volume.pool.uuid, volume.name)
    return {"deleted": volume.name, "allocation_bytes": volume.allocation_bytes}


def refuse_used(task: HostTask, connection: Connection, volume: Volume) -> None:
    """OperationRefused, with who uses it, where a volume is part of anything. Asks the host itself."""
    if is_promised(volume):
        raise OperationRefused(_("Another operation gives this volume to a guest just now."))
    used = writing.paths_in_use(connection)
    guests = used.get(volume.path, set()) | used.get(f"{volume.pool.name}/{volume.name}", set())
    if guests:
        text = _("%(guests)s uses it: take it out there first.")
        raise OperationRefused(text % {"guests": ", ".join(sorted(guests))})
    if VolumeClaim.objects.filter(key=claim_key(volume), guest__operations__state=OperationState.RUNNING).exists():
        raise OperationRefused(_("Another operation gives this volume to a guest just now."))
    read = get_pool(connection, volume.pool.uuid).volumes or ()
    over = {other.name for other in read if other.backing_path == volume.path}
    over |= {f"{other.pool.name}/{other.name}" for other in overlays_of(volume) if other.pool_id != volume.pool_id}
    if over:
        text = _("It is what %(volumes)s is over: without it that is lost.")
        raise OperationRefused(text % {"volumes": ", ".join(sorted(over))})
    if elsewhere := sum(len(uses_of(twin, uses_on(twin.pool.host))) for twin in twins_of(volume)):
        text = _("Guests of other hosts use it, in %(count)d places: the pool is shared.")
        raise OperationRefused(text % {"count": elsewhere})


def refuse_taken(pool: Pool, name: str) -> None:
    """OperationRefused where the pool has a volume of this name."""
    if pool.volumes.filter(name=name).exists():
        raise OperationRefused(_("The pool already has a volume of this name."), field="name")


def _far(connection: Connection, pool: UUID, name: str, total: int) -> tuple[int, int]:
    return writing.get_volume(connection, pool, name).allocation_bytes, total


def _after(pool: Pool, name: str) -> dict[str, Any]:
    """The volume as it was read back."""
    row = Volume.objects.filter(pool=pool, name=name).first()
    return {} if row is None else {"capacity_bytes": row.capacity_bytes, "allocation_bytes": row.allocation_bytes}


def _made(task: HostTask) -> bool | None:
    return volume_reached(task, str(task.parameters["name"]), there=True)


def _copied_nothing(_task: HostTask) -> bool:
    """A copy is written down before (`half_made`), and taken away where nobody saw its end: it may not be whole."""
    return False


def _deleted(task: HostTask) -> bool | None:
    return volume_reached(task, str(task.parameters["volume"]), there=False)


def _about_volume(parameters: dict[str, Any]) -> str:
    return f"volume {parameters.get('pool')} {parameters.get('volume')}"


MAKE_VOLUME = register_host(
    HostOperationKind(
        "make_volume",
        gettext_lazy("Make a volume"),
        Action.STORAGE,
        _make,
        reached=_made,
        words=words_of,
        facts=volume_facts,
    )
)
GROW_VOLUME = register_host(
    HostOperationKind(
        "grow_volume",
        gettext_lazy("Grow a volume"),
        Action.STORAGE,
        _grow,
        words=words_of,
        facts=volume_facts,
        about=_about_volume,
    )
)
CLONE_VOLUME = register_host(
    HostOperationKind(
        "clone_volume",
        gettext_lazy("Copy a volume"),
        Action.STORAGE,
        _clone,
        reached=_copied_nothing,
        words=words_of,
        facts=volume_facts,
        about=_about_volume,
    )
)
DELETE_VOLUME = register_host(
    HostOperationKind(
        "delete_volume",
        gettext_lazy("Delete a volume"),
        Action.STORAGE,
        _delete,
        reached=_deleted,
        words=words_of,
        facts=volume_facts,
        about=_about_volume,
    )
)
